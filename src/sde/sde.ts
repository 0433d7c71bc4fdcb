import { InputError } from "../errors.ts"
import type { RandomGenerator } from "../random/generator.ts"
import type { Tensor } from "../tensor.ts"
import { innerProducts, weightedSum, zerosLike } from "./batch.ts"
import { ReverseSDE } from "./reverse-sde.ts"
import { checkSteps } from "./step-count.ts"

/**
 * The score ∇ₓ log pₜ(x) of a batch, as a model estimates it.
 *
 * @param x - [B, …]
 * @param t - One time for each sample.
 */
export type ScoreFunction = (x: Tensor<"float32">, t: Float32Array) => Promise<Tensor<"float32">>

/** dx = drift·dt + diffusion·dw at some x and t. */
export interface DriftAndDiffusion {
  readonly drift: Tensor<"float32">
  /** g, one number for each sample. */
  readonly diffusion: Float32Array
}

/** xᵢ₊₁ = xᵢ + f + G·z: one step of the chain that discretises an SDE. */
export interface Discretization {
  readonly f: Tensor<"float32">
  /** One number for each sample. */
  readonly G: Float32Array
}

/** A Gaussian N(mean, std²·I), one for each sample. */
export interface Gaussian {
  readonly mean: Tensor<"float32">
  /** One number for each sample. */
  readonly std: Float32Array
}

/** How the networks of an SDE are used: score = outputScale · network(x, labels) + inputScale · x. */
export interface Conditioning {
  /** What the network is given for the time; one number for each sample. */
  readonly labels: Float32Array
  /** One number for each sample. */
  readonly outputScale: Float32Array
  /** One number for each sample; absent for networks whose output is the score or the noise, where it is 0. */
  readonly inputScale?: Float32Array | undefined
}

/** How an SDE runs backwards. */
export interface ReverseOptions {
  /** Whether to follow the probability-flow ODE, which has the same marginals and no noise. Default false. */
  readonly probabilityFlow?: boolean | undefined
}

/** The noise of x(t) relative to its signal: x(t) = scale·(x(0) + sigma·z). */
export interface NoiseLevel {
  readonly scale: number
  readonly sigma: number
}

/**
 * A stochastic differential equation dx = f(x, t)dt + g(t)dw on [0, T] that turns data into noise
 * (Song et al. 2021, "Score-Based Generative Modeling through SDEs").
 *
 * Subclass it for an SDE of your own: with the four abstract members it has the samplers `pcSampler` (predictors
 * `euler_maruyama` and `reverse_diffusion`) and `odeSampler`, the likelihood, and through `denoiserFromScore` those of
 * EDM. The optional members add the corrector and ancestral sampling.
 *
 * The drift is taken to be affine in x, as it is for every SDE whose marginals are Gaussian.
 */
export abstract class SDE {
  /** What errors call it. */
  readonly name: string = this.constructor.name
  /** The number of steps that discretisation divides [0, T] into. */
  readonly N: number
  /** The end of time, where only noise is left. */
  readonly T: number = 1
  /** The time at which sampling ends by default: the score may be unbounded at 0. */
  readonly samplingEps: number = 1e-3

  /** @throws InputError `INVALID_ARGUMENT` when N is no whole number from 2 up. */
  constructor(N = 1000) {
    checkSteps("N", N)
    this.N = N
  }

  /** f(x, t) and g(t). */
  abstract sde(x: Tensor<"float32">, t: Float32Array): DriftAndDiffusion

  /** The distribution p₀ₜ of x(t) when x(0) = x. */
  abstract marginalProb(x: Tensor<"float32">, t: Float32Array): Gaussian

  /** Samples of the noise p_T that is left at the end, [B, …]. */
  abstract priorSampling(shape: readonly number[], generator: RandomGenerator): Tensor<"float32">

  /** log p_T(z) of each sample, in nats. */
  abstract priorLogp(z: Tensor<"float32">): Float64Array

  /**
   * One ancestral step backwards, from xᵢ to the distribution of xᵢ₋₁, for SDEs that are the limit of a Markov chain;
   * what the predictor `ancestral_sampling` needs.
   */
  ancestral?(x: Tensor<"float32">, t: Float32Array, score: Tensor<"float32">): Gaussian

  /**
   * The factor α of the step size of Langevin dynamics, one number for each sample; what the correctors `langevin` and
   * `ald` need. 1 at all times is plain Langevin dynamics.
   */
  langevinAlpha?(t: Float32Array): Float32Array

  /** The step of length T/N from t on; Euler–Maruyama unless a subclass knows better. */
  discretize(x: Tensor<"float32">, t: Float32Array): Discretization {
    const dt = this.T / this.N
    const { drift, diffusion } = this.sde(x, t)
    return { f: weightedSum([dt, drift]), G: diffusion.map(g => g * Math.sqrt(dt)) }
  }

  /** The SDE (or ODE) that turns noise into data, for the model whose score is given. */
  reverse(score: ScoreFunction, { probabilityFlow = false }: ReverseOptions = {}): ReverseSDE {
    return new ReverseSDE(this, score, probabilityFlow)
  }

  /**
   * What networks are given and what their output means. By default as score_sde's networks for VP: the label is
   * 999·t/T, whatever N is, and the network predicts the noise.
   *
   * @param _continuous - Whether the network was trained on continuous times; else on the N times of the chain.
   */
  conditioning(t: Float32Array, _continuous: boolean): Conditioning {
    const { std } = this.marginalProb(scalars(t, 0), t)
    return { labels: t.map(time => (time / this.T) * 999), outputScale: std.map(s => -1 / s) }
  }

  /** εᵀ(∂f/∂x)ε of each sample, where ε is `probe`. Exact for an affine drift, where the choice of x is free. */
  driftDivergence(x: Tensor<"float32">, t: Float32Array, probe: Tensor<"float32">): Float64Array {
    const slope = weightedSum([1, this.sde(probe, t).drift], [-1, this.sde(zerosLike(x), t).drift])
    return innerProducts(probe, slope)
  }

  /** The noise at time t. */
  noiseLevel(t: number): NoiseLevel {
    const time = Float32Array.of(t)
    const { mean, std } = this.marginalProb(scalars(time, 1), time)
    const scale = mean.data[0]! - this.marginalProb(scalars(time, 0), time).mean.data[0]!
    return { scale, sigma: std[0]! / scale }
  }

  /**
   * The time at which noise of deviation `sigma` was added to data of scale 1: the inverse of {@link noiseLevel}.
   *
   * @throws InputError `INVALID_ARGUMENT` when the SDE never adds that much, or always more.
   */
  timeAt(sigma: number): number {
    this.checkSigma(sigma)
    let [low, high] = [0, this.T]
    while (Math.fround(low) !== Math.fround(high)) {
      const middle = (low + high) / 2
      if (middle === low || middle === high) break
      if (this.noiseLevel(middle).sigma < sigma) low = middle
      else high = middle
    }
    return high
  }

  /** @throws InputError `INVALID_ARGUMENT` when `sigma` is outside of what the SDE passes through. */
  protected checkSigma(sigma: number): void {
    const least = this.noiseLevel(0).sigma
    const greatest = this.noiseLevel(this.T).sigma
    const rounding = 1e-5
    if (!(sigma >= least * (1 - rounding) && sigma <= greatest * (1 + rounding))) {
      throw new InputError(
        "INVALID_ARGUMENT",
        `The noise level ${sigma} is not one of this SDE's, which go from ${least} to ${greatest}.`,
      )
    }
  }

  /**
   * Which of N table entries belongs to time t: ⌊t(N−1)/T⌋. The times of a sampler lie a rounding error around whole
   * numbers; they are pushed up by that much.
   */
  protected tableIndex(t: number): number {
    const position = (t / this.T) * (this.N - 1) + this.N * 2 ** -23
    return Math.min(Math.max(Math.floor(position), 0), this.N - 1)
  }
}

/** One number for each of the times, as a batch of samples with one element. */
function scalars(t: Float32Array, value: number): Tensor<"float32"> {
  return { dtype: "float32", shape: [t.length, 1], data: new Float32Array(t.length).fill(value) }
}
