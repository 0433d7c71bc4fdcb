import { InputError, throwIfAborted } from "../errors.ts"
import type { RandomGenerator } from "../random/generator.ts"
import { type RandomOptions, resolveGenerator } from "../random/randn-tensor.ts"
import { checkSameShape } from "../schedulers/checks.ts"
import { elementCount, type Tensor } from "../tensor.ts"
import { checkedOutput, type Evaluation } from "./checked-output.ts"

/** Where sampling starts. */
export interface StartOptions {
  /** `[B, …]`: what noise is drawn for, unless `latents` are given. */
  readonly shape?: readonly number[] | undefined
  /** The sample to start from, with the scale that it has at the first noise level; in place of drawn noise. */
  readonly latents?: Tensor<"float32"> | undefined
}

/** The state after a step of a sampler. */
export interface SamplerState {
  /** Steps taken, from 1. */
  readonly step: number
  readonly totalSteps: number
  /** What the step started from: a time of the SDE, or a noise level σ of the samplers on a denoiser. */
  readonly time: number
  readonly x: Tensor<"float32">
  /** The sample without the noise that the step added to it; for a sampler on a denoiser, the picture that it sees. */
  readonly denoised: Tensor<"float32">
  /** Evaluations of the network so far. */
  readonly nfe: number
}

/** What all samplers with numbered steps take, besides their SDE or denoiser. */
export interface SamplerOptions extends StartOptions, RandomOptions {
  readonly signal?: AbortSignal | undefined
  /** Called after every step; may return a sample to go on from. */
  readonly onStepEnd?: ((state: SamplerState) => StepEndResult | Promise<StepEndResult>) | undefined
}

// biome-ignore lint/suspicious/noConfusingVoidType: a callback that returns nothing is the usual one
type StepEndResult = Tensor<"float32"> | void

/** What a sampler returns. */
export interface Samples {
  /** Not clipped, in the range that the model was trained on. */
  readonly x: Tensor<"float32">
  /** Evaluations of the network. */
  readonly nfe: number
}

/** One run of a sampler: its random numbers, its reports, and a watch on what the network returns. */
export class SamplerRun {
  readonly generator: RandomGenerator
  readonly shape: readonly number[]
  readonly #options: SamplerOptions
  readonly #totalSteps: number
  #step = 0
  #nfe = 0

  /** @throws InputError `INVALID_ARGUMENT`; RandomError; AbortError */
  constructor(options: SamplerOptions, totalSteps: number) {
    throwIfAborted(options.signal)
    this.shape = startShape(options)
    this.generator = resolveGenerator(options)
    this.#options = options
    this.#totalSteps = totalSteps
  }

  get nfe(): number {
    return this.#nfe
  }

  /** The sample to start from: the given one, or `draw`. */
  start(
    draw: (shape: readonly number[], generator: RandomGenerator) => Tensor<"float32">,
  ): Tensor<"float32"> {
    return this.#options.latents ?? draw(this.shape, this.generator)
  }

  /**
   * The same function, counted, and checked by {@link checkedOutput}.
   *
   * @param describe - The time and the noise level of a call, for errors.
   */
  watch(evaluate: Evaluation, describe: (level: number) => string): Evaluation {
    const place = (level: number) => `at step ${this.#step + 1} of ${this.#totalSteps}, ${describe(level)}`
    const checked = checkedOutput(evaluate, place)
    return async (x, levels) => {
      throwIfAborted(this.#options.signal)
      this.#nfe++
      return checked(x, levels)
    }
  }

  /** Reports the end of a step, and returns the sample that the next one starts from. */
  async endStep(time: number, x: Tensor<"float32">, denoised: Tensor<"float32">): Promise<Tensor<"float32">> {
    this.#step++
    const state = { step: this.#step, totalSteps: this.#totalSteps, time, x, denoised, nfe: this.#nfe }
    const replaced = await this.#options.onStepEnd?.(state)
    if (!replaced) return x
    checkSameShape("The sample that onStepEnd returned", replaced, "the sample", x)
    return replaced
  }
}

/**
 * The shape of the samples.
 *
 * @throws InputError `INVALID_ARGUMENT` when there is none, or nothing in it.
 */
export function startShape({ shape, latents }: StartOptions): readonly number[] {
  const wanted = latents?.shape ?? shape
  if (wanted === undefined) {
    throw new InputError("INVALID_ARGUMENT", "Neither `shape` nor `latents` were given.", {
      hint: "Give the shape of the samples, [batch, channels, height, width].",
    })
  }
  if (wanted.length === 0 || elementCount(wanted) === 0) {
    throw new InputError("INVALID_ARGUMENT", `There is nothing in the shape [${wanted.join(", ")}].`)
  }
  return wanted
}
