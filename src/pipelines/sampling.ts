import { InputError, throwIfAborted } from "../errors.ts"
import { Image } from "../image/image.ts"
import type { ForwardOptions } from "../models/network-model.ts"
import type { AnyNetwork } from "../models/registry.ts"
import type { RandomGenerator } from "../random/generator.ts"
import { resolveGenerator } from "../random/randn-tensor.ts"
import type { ScoreFunction } from "../sde/sde.ts"
import type { Tensor } from "../tensor.ts"
import { firstNonFinite } from "../weights/finite.ts"
import { channelsLast } from "./channels-last.ts"
import type { DiffusionPipeline } from "./diffusion-pipeline.ts"
import { PipelineError } from "./errors.ts"
import type { OutputType, PipelineOutput, SamplingOptions, StepState } from "./options.ts"

const outputTypes: readonly OutputType[] = ["image", "pil", "pt", "np"]

// More pictures than any memory holds at once.
const maxBatchSize = 65_536

/** One call of a pipeline: its network, its random numbers and its reports. A sampler is a loop over its methods. */
export class Sampling<T extends OutputType> {
  readonly generator: RandomGenerator
  /** [N, C, H, W]. */
  readonly shape: readonly [number, number, number, number]
  readonly #pipe: DiffusionPipeline
  readonly #unet: AnyNetwork
  readonly #options: SamplingOptions<T>
  readonly #totalSteps: number
  #nfe = 0
  #step = 0

  constructor(pipe: DiffusionPipeline, unet: AnyNetwork, options: SamplingOptions<T>, totalSteps: number) {
    const { batchSize = options.latents?.shape[0] ?? 1, latents, signal } = options
    if (!(Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= maxBatchSize)) {
      throw new InputError(
        "INVALID_ARGUMENT",
        `batchSize is ${batchSize}, but must be a whole number from 1 to ${maxBatchSize}.`,
      )
    }
    throwIfAborted(signal)
    this.shape = [batchSize, unet.inChannels, ...unet.size]
    if (latents) {
      this.#checkShape("latents", latents)
      const index = firstNonFinite(latents.data)
      if (index >= 0) throw new InputError("INVALID_ARGUMENT", `latents hold ${latents.data[index]}.`)
    }
    const { outputType = "image" } = options
    if (!outputTypes.includes(outputType)) {
      throw new InputError("INVALID_ARGUMENT", `There is no outputType "${outputType}".`, {
        hint: `It is one of ${outputTypes.join(", ")}.`,
      })
    }
    this.generator = resolveGenerator(options, batchSize === 1 ? "torch" : "philox").nextBatch(batchSize)
    this.#pipe = pipe
    this.#unet = unet
    this.#options = options
    this.#totalSteps = totalSteps
  }

  /** The noise that sampling starts from, with deviation `sigma`. */
  start(sigma: number): Tensor<"float32"> {
    const noise = this.#options.latents ?? this.generator.randn(this.shape)
    return sigma === 1 ? noise : { ...noise, data: noise.data.map(z => z * sigma) }
  }

  /**
   * One evaluation of the network.
   *
   * @throws PipelineError `NOT_FINITE`
   */
  async evaluate(
    sample: Tensor<"float32">,
    timestep: number,
    options: Pick<ForwardOptions, "classLabels"> = {},
  ): Promise<Tensor<"float32">> {
    const { signal } = this.#options
    throwIfAborted(signal)
    const output = await this.#unet.forward(sample, timestep, { ...options, ...(signal && { signal }) })
    this.#nfe++
    const index = firstNonFinite(output.data)
    if (index >= 0) {
      throw new PipelineError(
        "NOT_FINITE",
        `The network returned ${output.data[index]} at step ${this.#step + 1} of ${this.#totalSteps}, label ${timestep}.`,
        {
          hint:
            this.#unet.dtype === "fp16" ? "Load the model with dtype fp32." : "Check the model's weights.",
        },
      )
    }
    return output
  }

  /** A score whose evaluations count as this call's. */
  counted(score: ScoreFunction): ScoreFunction {
    return (x, t) => {
      this.#nfe++
      return score(x, t)
    }
  }

  /** Reports how many steps are done. */
  report(step: number): void {
    this.#options.onProgress?.({ step, totalSteps: this.#totalSteps, nfe: this.#nfe })
  }

  /**
   * Reports the end of a step and returns the state to go on with: what the callback put in the place of its parts.
   *
   * @throws InputError `SHAPE_MISMATCH` when the callback returned a tensor of another shape.
   */
  async endStep(timestep: number, state: StepState): Promise<StepState> {
    const { callbackOnStepEnd, signal } = this.#options
    const changed = await callbackOnStepEnd?.(this.#pipe, this.#step, timestep, state)
    this.#step++
    this.report(this.#step)
    throwIfAborted(signal)
    const { latents = state.latents, denoised = state.denoised } = changed ?? {}
    this.#checkShape("callbackOnStepEnd's latents", latents)
    this.#checkShape("callbackOnStepEnd's denoised", denoised)
    return { latents, denoised }
  }

  #checkShape(name: string, tensor: Tensor): void {
    if (tensor.dtype === "float32" && tensor.shape.join() === this.shape.join()) return
    throw new InputError(
      "SHAPE_MISMATCH",
      `${name} are ${tensor.dtype} [${tensor.shape.join(", ")}], but must be float32 [${this.shape.join(", ")}].`,
    )
  }

  /** The pictures from the final sample, whose black and white are the ends of `range`; numbers beyond are clamped. */
  output(sample: Tensor<"float32">, range: readonly [number, number]): PipelineOutput<T> {
    const { outputType = "image" } = this.#options
    if (outputType === "image" || outputType === "pil") {
      return { images: Image.fromTensor(sample, { range }) as never, nfe: this.#nfe }
    }
    const [black, white] = range
    const data = sample.data.map(x => Math.min(Math.max((x - black) / (white - black), 0), 1))
    const unit: Tensor<"float32"> = { dtype: "float32", shape: sample.shape, data }
    const images = outputType === "pt" ? unit : channelsLast(unit)
    return { images: images as PipelineOutput<T>["images"], nfe: this.#nfe }
  }
}
