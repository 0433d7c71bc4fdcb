import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises"
import { dirname, join, relative, resolve, sep } from "node:path"
import { decodeGraph } from "../../src/graph/decode.ts"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import { type ListedModel, outputName, sourceOf } from "./model-list.ts"

/** What report.json says about a file. */
interface ExportedFile {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
  /** Nodes of the graph, of `.onnx` files. */
  readonly nodes?: number
}

/** What report.json says about a model that was exported. */
export interface ExportedModel {
  readonly source: string
  readonly revision?: string
  /** Where it lies, relative to the report. */
  readonly folder: string
  readonly pipeline: string
  readonly parameters: number
  readonly seconds: number
  readonly files: readonly ExportedFile[]
}

/** Exports a model into its folder below `directory`; what was there is replaced, but only by a whole export. */
export async function exportModel(model: ListedModel, directory: string): Promise<ExportedModel> {
  const start = performance.now()
  const name = outputName(model)
  const folder = join(directory, name)
  const unfinished = `${folder}.unfinished`
  const revision = "id" in model ? model.revision : undefined
  if ("folder" in model && resolve(model.folder) === resolve(folder)) {
    throw new Error(`${folder} is the model itself; export it to another folder.`)
  }
  try {
    await rm(unfinished, { recursive: true, force: true })
    await mkdir(dirname(folder), { recursive: true })
    await using pipe = await DiffusionPipeline.fromPretrained(sourceOf(model), {
      device: "cpu",
      ...(revision !== undefined && { revision }),
    })
    await pipe.savePretrained(unfinished, { onnx: model.dtypes })
    const files = await describeFiles(unfinished)
    const parameters = await pipe.unet.countParameters()
    await rm(folder, { recursive: true, force: true })
    await rename(unfinished, folder)
    return {
      source: sourceOf(model),
      ...(revision !== undefined && { revision }),
      folder: name,
      pipeline: pipe.constructor.name,
      parameters,
      seconds: Math.round(performance.now() - start) / 1000,
      files,
    }
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
}

async function describeFiles(folder: string): Promise<ExportedFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const files: ExportedFile[] = []
  for (const path of paths.sort()) {
    const hash = createHash("sha256")
    let bytes = 0
    for await (const chunk of createReadStream(path)) {
      hash.update(chunk as Buffer)
      bytes += (chunk as Buffer).length
    }
    files.push({
      path: relative(folder, path).replaceAll(sep, "/"),
      bytes,
      sha256: hash.digest("hex"),
      ...(path.endsWith(".onnx") && { nodes: decodeGraph(await readFile(path)).nodes.length }),
    })
  }
  return files
}
