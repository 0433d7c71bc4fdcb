import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { ensureBuilt, nodeBuild } from "./built-package.ts"
import type { Measurement } from "./figure.ts"
import { inFreshProcess } from "./fresh-process.ts"

const name = "import.ms"
const processes = 15

/** Time of `import "score-sde"` in a fresh process, files in the system's cache. */
export const importTime: Measurement = {
  figures: [{ name, unit: "ms", goal: 60 }],
  async *run() {
    ensureBuilt()
    const library = JSON.stringify(pathToFileURL(join(nodeBuild, "index.js")).href)
    const code = `
      const start = performance.now()
      await import(${library})
      console.log(performance.now() - start)`
    const values: number[] = []
    for (let i = 0; i <= processes; i++) {
      const milliseconds = await inFreshProcess<number>(code)
      if (i > 0) values.push(milliseconds)
    }
    yield { name, values }
  },
}
