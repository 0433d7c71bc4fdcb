// Importing the library must be cheap: what an import loads is known here, and everything else is loaded when it's used.
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { build, type Rolldown } from "tsdown"
import { afterAll, beforeAll, expect, test } from "vitest"
import configs from "../tsdown.config.ts"

let folder: string
let chunks: Map<string, Rolldown.OutputChunk>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "score-sde-import-"))
  const node = configs.find(({ platform }) => platform === "node")
  const [bundle] = await build({ ...node, config: false, dts: false, outDir: folder, logLevel: "silent" })
  const outputs = bundle!.chunks.filter(output => output.type === "chunk")
  chunks = new Map(outputs.map(chunk => [chunk.fileName, chunk]))
})
afterAll(() => rm(folder, { recursive: true }))

/** What static imports lead to: files of the build, and names of packages. */
function loadedBy(entry: string): string[] {
  const loaded = new Set([entry])
  for (const name of loaded) for (const imported of chunks.get(name)?.imports ?? []) loaded.add(imported)
  return [...loaded]
}

function packagesLoadedBy(entry: string): string[] {
  return loadedBy(entry).filter(name => !chunks.has(name) && !name.startsWith("node:"))
}

function modulesLoadedBy(entry: string): string[] {
  return loadedBy(entry).flatMap(name => chunks.get(name)?.moduleIds ?? [])
}

test("an import loads three files and four packages", () => {
  expect(loadedBy("index.js").filter(name => chunks.has(name))).toHaveLength(3)
  expect(packagesLoadedBy("index.js").sort()).toEqual(["leven", "lossless-json", "p-limit", "valibot"])
})

test("an import does not load the graph code, the downloader, or checkpoint readers", () => {
  const modules = modulesLoadedBy("index.js")
  expect(modules).toContainEqual(expect.stringContaining("/src/pipelines/score-sde-ve.ts"))
  const later =
    /\/src\/(graph\/(ops|vjp|optimize|builder)|cli\/|hub\/open-hub-repo|weights\/(torch|zip|safetensors))/
  expect(modules.filter(id => later.test(id))).toEqual([])
})

test("a worker thread loads two files, and no code of pipelines or models", () => {
  expect(loadedBy("ort-worker.js").filter(name => chunks.has(name))).toHaveLength(2)
  expect(packagesLoadedBy("ort-worker.js")).toEqual(["p-limit"])
  expect(modulesLoadedBy("ort-worker.js").filter(id => /\/src\/(pipelines|models)\//.test(id))).toEqual([])
})
