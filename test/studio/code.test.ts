// The code that the page shows, for every sampler and every place of a model, run as it would be pasted.
import { mkdir, readFile, symlink } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test, vi } from "vitest"
import { codeFor } from "../../examples/studio/src/code.ts"
import { type Settings, samplers } from "../../examples/studio/src/settings.ts"
import { Image } from "../../src/image/image.ts"
import { startHubServer } from "../hub-server/hub-server.ts"
import { flatModelFiles, formulaSafetensors, temporaryFolder, writeModel } from "../pipelines/tiny-model.ts"
import { runProgram } from "./run-program.ts"

const settings: Settings = { mode: "sample", sampler: "pc", steps: 3, seed: 5, seedTo: 6, count: 2 }
let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeAll(async () => {
  folder = await temporaryFolder()
})
afterAll(() => folder[Symbol.asyncDispose]())

/** A new working directory. */
async function place(name: string): Promise<string> {
  const path = join(folder.path, name)
  await mkdir(path, { recursive: true })
  return path
}

async function savedPictures(path: string, mode: string): Promise<string> {
  const images = await Promise.all([1, 2].map(i => Image.read(join(path, `${mode}-5-${i}.png`))))
  expect(images.map(({ width, height }) => [width, height])).toEqual([
    [8, 8],
    [8, 8],
  ])
  return images.map(({ data }) => Buffer.from(data).toString("hex")).join()
}

test.each(["sample", "interpolate"] as const)("every sampler makes pictures of its own: %s", async mode => {
  const model = join(folder.path, "tiny")
  await writeModel(model, {
    className: "ScoreSdeVePipeline",
    schedulerClass: "ScoreSdeVeScheduler",
    scheduler: { sigma_max: 5 },
  })
  const source = { kind: "folder", name: "tiny", files: [] } as const
  const found = new Map<string, string>()
  for (const { name } of samplers) {
    const path = await place(`${mode}-${name}`)
    await symlink(model, join(path, "tiny"))
    await runProgram(codeFor({ settings: { ...settings, mode, sampler: name }, source }), path)
    found.set(name, await savedPictures(path, mode))
  }
  // This pipeline's own sampler is predictor–corrector sampling too.
  found.delete("own")
  expect(new Set(found.values()).size).toBe(samplers.length - 1)
})

test("a model of the Hub is named by its id", async () => {
  const weights = await formulaSafetensors()
  await using hub = await startHubServer({
    repos: { "org/tiny": { files: { ...flatModelFiles, "diffusion_pytorch_model.safetensors": weights } } },
  })
  const path = await place("hub")
  vi.stubEnv("HF_ENDPOINT", hub.url)
  vi.stubEnv("HF_HOME", join(path, "home"))
  const source = { kind: "hub", id: "org/tiny" } as const
  await runProgram(codeFor({ settings: { ...settings, sampler: "own" }, source }), path)
  vi.unstubAllEnvs()
  await savedPictures(path, "sample")
  expect(await readFile(join(path, "program.mjs"), "utf8")).toContain('fromPretrained("org/tiny")')
})
