import { join } from "node:path"
import { models, programs, shippedModel } from "../test/parity/folders.ts"
import { runPython } from "../test/parity/python.ts"

/** A model that is timed. */
export interface BenchModel {
  readonly name: string
  /** Of the pipeline. */
  readonly folder: string
  /** What the network is given beside the sample: σ, or the number of the step. */
  readonly timestep: number
  /** Evaluations in one turn of a pair. */
  readonly turn: number
  readonly pairs: number
}

export const emoji32: BenchModel = {
  name: "emoji-32",
  folder: shippedModel,
  timestep: 1.5,
  turn: 12,
  pairs: 15,
}
export const cifar32: BenchModel = {
  name: "ddpm-cifar10-32",
  folder: join(models, "full/ddpm-cifar10-32"),
  timestep: 500,
  turn: 5,
  pairs: 11,
}
export const ncsnpp256: BenchModel = {
  name: "ncsnpp-256",
  folder: join(models, "full/ncsnpp-256"),
  timestep: 1.5,
  turn: 1,
  pairs: 7,
}
/** The same network as google/ncsnpp-* hold it: a `.bin` with the old names. */
export const ncsnpp256Bin: string = join(models, "full/ncsnpp-256-flat")

export const benchModels: readonly BenchModel[] = [emoji32, cifar32, ncsnpp256]

/** Lets Diffusers write the models with random weights, once. */
export async function makeModels(): Promise<void> {
  const names = ["full/ddpm-cifar10-32", "full/ncsnpp-256"]
  await runPython([join(programs, "make_models.py"), models, ...names], { echo: true })
}
