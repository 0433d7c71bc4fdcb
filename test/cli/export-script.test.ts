import { createHash } from "node:crypto"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { describe, expect, it } from "vitest"
import { exportModel } from "../../scripts/export/export-model.ts"
import { readModelList } from "../../scripts/export/model-list.ts"
import { runProgram, sharedFolder, shippedModel } from "./run-program.ts"

const folder = await sharedFolder()
const program = resolve("scripts/export/export.ts")

// In a folder without a .venv, so that nothing depends on the Python of whoever runs this.
function exportAll(list: string, ...options: string[]) {
  return runProgram(program, [list, "--out", join(folder, "out"), ...options], { cwd: folder })
}

async function listFile(name: string, content: unknown): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, JSON.stringify(content))
  return path
}

describe("scripts/export", () => {
  it("exports what it can, reports on each model, and ends with 1 when one failed", async () => {
    const list = await listFile("models.json", [{ folder: join(folder, "none") }, { folder: shippedModel }])
    const { code, stdout, stderr } = await exportAll(list)
    expect(code).toBe(1)
    expect(stdout).toBe(`1 of 2 exported\nfailed: ${join(folder, "none")}\n`)
    expect(stderr).toContain("Not checking the exports with Python")

    const report = JSON.parse(await readFile(join(folder, "out/report.json"), "utf8"))
    expect(report).toEqual([
      { source: join(folder, "none"), error: expect.stringContaining("no folder") },
      expect.objectContaining({
        source: shippedModel,
        folder: "ncsnpp-emoji-32",
        pipeline: "ScoreSdeVePipeline",
        parameters: 1268777,
      }),
    ])
    const { files } = report[1]
    expect(files.map((file: { path: string }) => file.path)).toEqual([
      "model_index.json",
      "scheduler/scheduler_config.json",
      "unet/config.json",
      "unet/diffusion_pytorch_model.safetensors",
      "unet/model.onnx",
    ])
    for (const { path, bytes, sha256, nodes } of files) {
      const content = await readFile(join(folder, "out/ncsnpp-emoji-32", path))
      expect(content.length).toBe(bytes)
      expect(createHash("sha256").update(content).digest("hex")).toBe(sha256)
      if (path.endsWith(".onnx")) expect(nodes).toBeGreaterThan(100)
      else expect(nodes).toBeUndefined()
    }
    expect((await readdir(join(folder, "out"))).sort()).toEqual(["ncsnpp-emoji-32", "report.json"])
  })

  it.each([
    ["a key that is none", [{ id: "google/none", revison: "main" }], "at 0"],
    ["an id without an owner", [{ id: "none" }], "at 0"],
    ["an id that leaves the folder", [{ id: "../none" }], "at 0"],
    ["a folder without a name", [{ folder: "/" }], "must be a folder with a name"],
    ["two models of one name", [{ folder: "a/model" }, { folder: "b/model" }], "one output folder"],
    ["no models", [], "no list of models"],
  ])("refuses a list with %s", async (_, content, message) => {
    await expect(readModelList(await listFile("bad.json", content))).rejects.toThrow(message)
  })

  it("ends with 2 before any work when the list is no list, or the Python can't check", async () => {
    const list = await listFile("one.json", [{ folder: shippedModel }])
    const [noList, noPython] = await Promise.all([
      exportAll(join(folder, "no-list.json")),
      exportAll(list, "--python", join(folder, "no-python")),
    ])
    expect(noList).toMatchObject({ code: 2, stderr: expect.stringContaining("not a readable JSON file") })
    expect(noPython).toMatchObject({ code: 2, stderr: expect.stringContaining("no such program") })
  })

  it("does not replace a model by its own export", async () => {
    const model = { folder: shippedModel, dtypes: ["fp32" as const] }
    await expect(exportModel(model, dirname(shippedModel))).rejects.toThrow("is the model itself")
  })
})
