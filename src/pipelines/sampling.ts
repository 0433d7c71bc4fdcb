import { InputError, throwIfAborted } from "../errors.ts"
import { labelCount, labelTensor } from "../models/class-labels.ts"
import { NetworkModel } from "../models/network-model.ts"
import type { AnyNetwork } from "../models/registry.ts"
import type { RandomGenerator } from "../random/generator.ts"
import { resolveGenerator } from "../random/randn-tensor.ts"
import { tensorPlace } from "../runtime/session.ts"
import { checkCount } from "../schedulers/checks.ts"
import type { ScoreFunction } from "../sde/sde.ts"
import { checkTensor, type Tensor } from "../tensor.ts"
import { firstNonFinite } from "../weights/finite.ts"
import type { DiffusionPipeline, PipelineClass } from "./diffusion-pipeline.ts"
import { PipelineError } from "./errors.ts"
import type { LinearSampler } from "./on-device.ts"
import type { OutputType, PipelineOutput, SamplingOptions, StepState } from "./options.ts"
import { checkOutputType, pictureOutput } from "./picture-output.ts"

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
  readonly #classLabels: Tensor | undefined
  #nfe = 0
  #step = 0

  constructor(pipe: DiffusionPipeline, unet: AnyNetwork, options: SamplingOptions<T>, totalSteps: number) {
    const { latents, classLabels, signal } = options
    const { batchSize = latents?.shape[0] ?? labelCount(classLabels) } = options
    checkCount("batchSize", batchSize, 1, maxBatchSize)
    throwIfAborted(signal)
    this.shape = [batchSize, unet.inChannels, ...unet.size]
    if (latents) {
      this.#checkShape("latents", latents)
      const index = firstNonFinite(latents.data)
      if (index >= 0) throw new InputError("INVALID_ARGUMENT", `latents hold ${latents.data[index]}.`)
    }
    checkOutputType(options.outputType)
    this.#classLabels = labelTensor(classLabels, unet.classInput, batchSize)
    this.generator = resolveGenerator(options, batchSize === 1 ? "torch" : "philox").nextBatch(batchSize)
    this.#pipe = pipe
    this.#unet = unet
    this.#options = options
    this.#totalSteps = totalSteps
  }

  /** The noise that sampling starts from, with deviation `sigma`. */
  start(sigma: number, generator: RandomGenerator = this.generator): Tensor<"float32"> {
    const noise = this.#options.latents ?? generator.randn(this.shape)
    return sigma === 1 ? noise : { ...noise, data: noise.data.map(z => z * sigma) }
  }

  /**
   * One evaluation of the network.
   *
   * @throws PipelineError `NOT_FINITE`
   */
  async evaluate(sample: Tensor<"float32">, timestep: number): Promise<Tensor<"float32">> {
    const { signal } = this.#options
    const classLabels = this.#classLabels
    throwIfAborted(signal)
    const options = { ...(classLabels && { classLabels }), ...(signal && { signal }) }
    const output = await this.#unet.forward(sample, timestep, options)
    this.#nfe++
    this.requireFinite(output, timestep)
    return output
  }

  /**
   * Checks what the network made of a label.
   *
   * @throws PipelineError `NOT_FINITE`
   */
  requireFinite(output: Tensor<"float32">, timestep: number): void {
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
  }

  /**
   * Runs a sampler with its state on the network's device, where that can be and nobody looks at the steps.
   *
   * @param sampler - Gives the sampler, or undefined where its steps aren't sums.
   * @returns The final picture; undefined where it is still to be made.
   */
  async onDevice(sampler: () => LinearSampler | undefined): Promise<Tensor<"float32"> | undefined> {
    if (this.#options.callbackOnStepEnd || !this.#isStandard || !tensorPlace(this.#unet.session)) {
      return undefined
    }
    const linear = sampler()
    if (!linear) return undefined
    const { sampleOnDevice } = await import("./on-device.ts")
    return await sampleOnDevice(this.#unet, linear, this)
  }

  /** Whether network and scheduler compute what they do here: classes derived from them may do something else. */
  get #isStandard(): boolean {
    const { schedulerClass } = this.#pipe.constructor as unknown as PipelineClass
    const found: unknown = this.#pipe.scheduler.constructor
    return found === schedulerClass && this.#unet.forward === NetworkModel.prototype.forward
  }

  /** Whether nobody else knows the generator. */
  get ownsGenerator(): boolean {
    return this.#options.generator === undefined
  }

  get signal(): AbortSignal | undefined {
    return this.#options.signal
  }

  /** Reports the end of a step whose state stays where it is, and which evaluated the network `nfe` times. */
  reportStep(nfe: number): void {
    this.#nfe += nfe
    this.#step++
    this.report(this.#step)
    throwIfAborted(this.#options.signal)
  }

  /** Counts from the first step again. */
  restart(): void {
    this.#nfe = 0
    this.#step = 0
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
    const { callbackOnStepEnd } = this.#options
    const changed = await callbackOnStepEnd?.(this.#pipe, this.#step, timestep, state)
    this.reportStep(0)
    const { latents = state.latents, denoised = state.denoised } = changed ?? {}
    this.#checkShape("callbackOnStepEnd's latents", latents)
    this.#checkShape("callbackOnStepEnd's denoised", denoised)
    return { latents, denoised }
  }

  #checkShape(name: string, tensor: Tensor): void {
    checkTensor(name, tensor)
    if (tensor.dtype === "float32" && tensor.shape.join() === this.shape.join()) return
    throw new InputError(
      "SHAPE_MISMATCH",
      `${name} are ${tensor.dtype} [${tensor.shape.join(", ")}], but must be float32 [${this.shape.join(", ")}].`,
    )
  }

  /** The pictures from the final sample, whose black and white are the ends of `range`; numbers beyond are clamped. */
  output(sample: Tensor<"float32">, range: readonly [number, number]): PipelineOutput<T> {
    return pictureOutput(sample, range, this.#nfe, this.#options.outputType)
  }
}
