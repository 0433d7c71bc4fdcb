import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { browserBuild, ensureBuilt } from "./built-package.ts"
import type { Measurement } from "./figure.ts"

const name = "browser.entry.kB"

/** The largest file of the browser build, gzipped; ONNX Runtime is not in it. */
export const browserSize: Measurement = {
  figures: [{ name, unit: "kB", goal: 60 }],
  async *run() {
    ensureBuilt()
    const files = readdirSync(browserBuild, { encoding: "utf8", recursive: true }).filter(name =>
      name.endsWith(".js"),
    )
    const sizes = files.map(
      file => gzipSync(readFileSync(join(browserBuild, file)), { level: 9 }).length / 1000,
    )
    yield { name, values: [Math.max(...sizes)] }
  },
}
