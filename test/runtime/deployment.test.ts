// The worker's program must be found wherever the library runs: from its sources (all other tests, and tsx), as a
// built package, and from an app's bundle.
import { execFile } from "node:child_process"
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { build } from "tsdown"
import { afterAll, beforeAll, expect, test } from "vitest"
import { identityModel } from "./onnx-model.ts"

const run = promisify(execFile)
const root = fileURLToPath(new URL("../..", import.meta.url))

let folder: string
beforeAll(async () => {
  // Inside the repository, so that the packages it needs are found.
  const cache = join(root, "node_modules/.cache/score-sde")
  await mkdir(cache, { recursive: true })
  folder = await mkdtemp(join(cache, "deployment-"))
  await writeFile(join(folder, "model.onnx"), identityModel())
  await build({
    config: false,
    cwd: root,
    entry: { session: "src/runtime/session.ts", "ort-worker": "src/platform/node/ort-worker.ts" },
    outDir: join(folder, "dist"),
    platform: "node",
    fixedExtension: false,
    dts: false,
    logLevel: "silent",
  })
})
afterAll(() => rm(folder, { recursive: true }))

/** A program that loads, runs, and leaves its session open: the process has to end by itself all the same. */
function program(library: string): string {
  return `
    import { createSession } from ${JSON.stringify(library)}
    const session = await createSession({ path: ${JSON.stringify(join(folder, "model.onnx"))} }, { device: "cpu" })
    const { y } = await session.run({ x: { dtype: "float32", shape: [1], data: Float32Array.of(5) } })
    console.log("y =", y.data[0])
  `
}

async function node(...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, args, { cwd: root, timeout: 50_000 })
  return stdout
}

test("sources under tsx", async () => {
  const file = join(folder, "app.mts")
  await writeFile(file, program(join(root, "src/runtime/session.ts")))
  expect(await node("--import", "tsx", file)).toBe("y = 5\n")
})

test("built package", async () => {
  const file = join(folder, "app.mjs")
  await writeFile(file, program(join(folder, "dist/session.js")))
  expect(await node(file)).toBe("y = 5\n")
})

test("program that is given as text", async () => {
  expect(await node("--input-type=module", "--eval", program(join(folder, "dist/session.js")))).toBe(
    "y = 5\n",
  )
})

test("app's bundle, with the package installed and without", async () => {
  const app = join(folder, "app")
  await mkdir(app)
  await writeFile(join(app, "main.mjs"), program(join(folder, "dist/session.js")))
  await build({
    config: false,
    cwd: app,
    entry: { bundle: "main.mjs" },
    outDir: "out",
    platform: "node",
    dts: false,
    logLevel: "silent",
  })
  const bundle = join(app, "out/bundle.mjs")
  await expect(node(bundle)).rejects.toMatchObject({ stderr: expect.stringContaining("WORKER_UNAVAILABLE") })

  const installed = join(app, "node_modules/score-sde")
  await cp(join(folder, "dist"), join(installed, "dist"), { recursive: true })
  const exports = { "./ort-worker": "./dist/ort-worker.js" }
  await writeFile(
    join(installed, "package.json"),
    JSON.stringify({ name: "score-sde", type: "module", exports }),
  )
  expect(await node(bundle)).toBe("y = 5\n")
})
