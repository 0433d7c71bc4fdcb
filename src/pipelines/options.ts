import { abortSignal, callback, labels, number, type OptionList, tensor } from "../check-options.ts"
import type { Image } from "../image/image.ts"
import type { ClassLabels } from "../models/class-labels.ts"
import type { GeneratorInput } from "../random/randn-tensor.ts"
import type { Seed } from "../random/seed.ts"
import type { Tensor } from "../tensor.ts"
import type { DiffusionPipeline } from "./diffusion-pipeline.ts"
import { type SamplerSettings, samplerOptions } from "./sampler-settings.ts"

/**
 * The form of the pictures: `Image` values (`"image"`, or Diffusers' name `"pil"`), or one float32 tensor with
 * numbers in [0, 1], [N, C, H, W] for `"pt"` and [N, H, W, C] for `"np"`.
 */
export type OutputType = "image" | "pil" | "pt" | "np"

/** What a pipeline returns. */
export interface PipelineOutput<T extends OutputType = "image"> {
  readonly images: T extends "pt" | "np" ? Tensor<"float32"> : readonly [Image, ...Image[]]
  /** Number of evaluations of the network, each on the whole batch. */
  readonly nfe: number
}

/** The state of sampling after a step. */
export interface StepState {
  /** The sample that the next step starts from, [N, C, H, W]. */
  readonly latents: Tensor<"float32">
  /** The sample without the noise that the step added; for DDPM and DDIM the predicted picture. */
  readonly denoised: Tensor<"float32">
}

/**
 * Called after every step. What it returns takes the place of the state: `latents` is what the next step starts from,
 * and after the last step the picture is made of `denoised` (VE and VP) or `latents` (DDPM and DDIM).
 */
export type StepCallback = (
  pipe: DiffusionPipeline,
  step: number,
  timestep: number,
  state: StepState,
) => StepReply | Promise<StepReply>

// biome-ignore lint/suspicious/noConfusingVoidType: a callback that returns nothing is the usual one
type StepReply = Partial<StepState> | undefined | void

/** How far sampling is. */
export interface SamplingProgress {
  /** Steps done, from 1. An adaptive solver reports thousandths of the time between its ends. */
  readonly step: number
  readonly totalSteps: number
  /** Evaluations of the network so far. */
  readonly nfe: number
}

/** What every pipeline can be called with. */
export interface SamplingOptions<T extends OutputType = "image"> extends SamplerSettings {
  /** Pictures made together. Default: as many as there are `latents` or `classLabels`, else 1. */
  readonly batchSize?: number | undefined
  /**
   * For a class-conditional network, which can't do without: the class of the pictures, from 0; one for all, or one for
   * each of them. A network with `classEmbedType: "identity"` takes embeddings, a tensor [N, E].
   */
  readonly classLabels?: ClassLabels | undefined
  /** Steps of the sampler. Each pipeline has its own default. */
  readonly numInferenceSteps?: number | undefined
  /**
   * Makes the pictures repeatable. For one picture it seeds a {@link TorchGenerator}, equal to PyTorch's on the CPU,
   * which gives the picture that Diffusers gives; for more, a {@link PhiloxGenerator}, whose noise for picture i depends
   * only on the seed and i. For Diffusers' pictures of a batch give `generator: new TorchGenerator(seed)`.
   */
  readonly seed?: Seed | undefined
  /** A generator, or one per picture, in place of a seed. */
  readonly generator?: GeneratorInput | undefined
  /** Standard normal noise [N, C, H, W] to start from, in place of the generator's first draw. */
  readonly latents?: Tensor<"float32"> | undefined
  readonly outputType?: T | undefined
  readonly callbackOnStepEnd?: StepCallback | undefined
  readonly onProgress?: ((progress: SamplingProgress) => void) | undefined
  /** Stops between two evaluations of the network. */
  readonly signal?: AbortSignal | undefined
}

/** The options of a call that say nothing of the sampler, nor how many pictures there are and of which class. */
export type CallOptions<T extends OutputType = "image"> = Omit<
  SamplingOptions<T>,
  keyof SamplerSettings | "batchSize" | "classLabels"
>

/** {@link CallOptions} as a caller without types gives them. */
export const callOptions: OptionList<CallOptions> = {
  type: "SamplingOptions",
  options: {
    numInferenceSteps: number,
    seed: true,
    generator: true,
    latents: tensor,
    outputType: true,
    callbackOnStepEnd: callback,
    onProgress: callback,
    signal: abortSignal,
  },
}

/** {@link SamplingOptions} as a caller without types gives them. */
export const samplingOptions: OptionList<SamplingOptions> = {
  type: "SamplingOptions",
  options: { batchSize: number, classLabels: labels, ...callOptions.options, ...samplerOptions.options },
}
