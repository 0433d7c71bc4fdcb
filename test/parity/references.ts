import { readFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { readNpy } from "../../src/arrays/npy.ts"
import type { Tensor } from "../../src/tensor.ts"
import { models, programs, references, root, shippedModel } from "./folders.ts"
import { runPython } from "./python.ts"

/** The name of the model that ships, among those of make_models.py. */
const shipped = "shipped"

/** What Diffusers computed with one model; names of arrays are files in the reference's folder. */
export interface Reference {
  readonly name: string
  readonly path: string
  /** A UNet2DModel alone, or with a model_index.json. */
  readonly kind: "unet" | "pipeline"
  readonly variant?: string
  readonly useSafetensors?: boolean
  readonly forwards: readonly Forward[]
  readonly pictures: readonly Picture[]
}

export interface Forward {
  readonly sample: string
  readonly timestep: string
  readonly classLabels?: string
  readonly output: string
}

export interface Picture {
  readonly pipeline: string
  readonly level: "quick" | "full"
  /** One generator for all pictures. */
  readonly seed?: number
  /** One generator for each. */
  readonly seeds?: readonly number[]
  readonly arguments: {
    readonly num_inference_steps: number
    readonly batch_size: number
    readonly eta?: number
    readonly use_clipped_model_output?: boolean
  }
  /** float32 [N, C, H, W], before the clamp. */
  readonly raw: string
  /** uint8 [N, H, W, C]. */
  readonly images: string
  readonly networkEvaluations: number
}

/** The names of all models, whether they have been made or not. */
export async function modelNames(): Promise<string[]> {
  const written: string[] = JSON.parse(await readFile(join(programs, "model-names.json"), "utf8"))
  return [shipped, ...written]
}

/**
 * Lets Diffusers make the models and the references of these names that are not there yet.
 *
 * @throws Error where make_models.py has other models than the list said.
 */
export async function makeReferences(names: readonly string[], full: boolean): Promise<void> {
  const written = names.filter(name => name !== shipped)
  if (written.length > 0) {
    const listed = await modelNames()
    await runPython([join(programs, "make_models.py"), models, ...written], { echo: true })
    if ((await modelNames()).join() !== listed.join()) {
      throw new Error(
        "make_models.py has other models than model-names.json had, which is renewed: run again.",
      )
    }
  }
  await runPython(
    [
      join(programs, "make_references.py"),
      models,
      references,
      "--shipped",
      shippedModel,
      ...(full ? ["--full"] : []),
      ...names,
    ],
    { cwd: root, echo: true },
  )
}

export async function readReference(name: string): Promise<Reference> {
  const reference: Reference = JSON.parse(await readFile(join(references, name, "reference.json"), "utf8"))
  return { ...reference, path: resolve(root, reference.path) }
}

export async function readArray({ name }: Pick<Reference, "name">, file: string): Promise<Tensor> {
  return readNpy(await readFile(join(references, name, file)), file)
}
