import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { root } from "../test/parity/folders.ts"

export const nodeBuild: string = join(root, "dist/node")
export const browserBuild: string = join(root, "dist/browser")

/** Builds the package when the sources are newer: load times and sizes are those of what users get. */
export function ensureBuilt(): void {
  const built = [join(nodeBuild, "index.js"), join(browserBuild, "index.js")]
  const oldest = Math.min(...built.map(file => (existsSync(file) ? statSync(file).mtimeMs : 0)))
  const sources = readdirSync(join(root, "src"), { encoding: "utf8", recursive: true })
  if (sources.every(file => statSync(join(root, "src", file)).mtimeMs < oldest)) return
  execFileSync("npm", ["run", "build"], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  })
}
