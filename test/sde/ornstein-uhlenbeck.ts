import type { RandomGenerator } from "../../src/random/generator.ts"
import { gaussianLogp, weightedSum } from "../../src/sde/batch.ts"
import { type DriftAndDiffusion, type Gaussian, SDE } from "../../src/sde/sde.ts"
import type { Tensor } from "../../src/tensor.ts"

interface OrnsteinUhlenbeckOptions {
  readonly beta?: number
  readonly level?: number
  readonly T?: number
  readonly N?: number
}

/**
 * An SDE that is none of the library's: the Ornstein–Uhlenbeck process dx = −½β(x − level)dt + √β dw on [0, T], which
 * ends near N(level, I). Written with the public means alone, as a user would.
 */
export class OrnsteinUhlenbeck extends SDE {
  readonly beta: number
  readonly level: number
  override readonly T: number

  constructor({ beta = 3, level = 0.5, T = 4, N = 1000 }: OrnsteinUhlenbeckOptions = {}) {
    super(N)
    this.beta = beta
    this.level = level
    this.T = T
  }

  sde(x: Tensor<"float32">, t: Float32Array): DriftAndDiffusion {
    const drift = { ...x, data: x.data.map(value => -0.5 * this.beta * (value - this.level)) }
    return { drift, diffusion: t.map(() => Math.sqrt(this.beta)) }
  }

  marginalProb(x: Tensor<"float32">, t: Float32Array): Gaussian {
    const size = x.data.length / t.length
    const mean = x.data.map((value, i) => {
      const decay = Math.exp(-0.5 * this.beta * t[Math.floor(i / size)]!)
      return this.level + (value - this.level) * decay
    })
    return { mean: { ...x, data: mean }, std: t.map(time => Math.sqrt(-Math.expm1(-this.beta * time))) }
  }

  priorSampling(shape: readonly number[], generator: RandomGenerator): Tensor<"float32"> {
    const z = generator.randn(shape)
    return { ...z, data: z.data.map(value => value + this.level) }
  }

  priorLogp(z: Tensor<"float32">): Float64Array {
    return gaussianLogp({ ...z, data: z.data.map(value => value - this.level) }, 1)
  }
}

/** The same with what correctors and ancestral sampling need. */
export class CompleteOrnsteinUhlenbeck extends OrnsteinUhlenbeck {
  override langevinAlpha(t: Float32Array): Float32Array {
    return t.map(() => 1)
  }

  /** The step of length T/N backwards, with the variance βT/N. */
  override ancestral(x: Tensor<"float32">, t: Float32Array, score: Tensor<"float32">): Gaussian {
    const variance = (this.beta * this.T) / this.N
    const { drift } = this.sde(x, t)
    return {
      mean: weightedSum([1, x], [-this.T / this.N, drift], [variance, score]),
      std: t.map(() => Math.sqrt(variance)),
    }
  }
}
