// No file that a page loads may be large by itself; ONNX Runtime is not among them.
import { readdirSync } from "node:fs"

const folder = "dist/browser"

export default readdirSync(folder)
  .filter(name => name.endsWith(".js"))
  .map(name => ({ name, path: `${folder}/${name}`, limit: "60 kB", gzip: true }))
