import type { Denoiser } from "../../src/sde/denoiser.ts"
import type { Network, NetworkVjp } from "../../src/sde/network-score.ts"
import { elementCount, type Tensor } from "../../src/tensor.ts"

/** The shape of the fixtures' samples. */
export const shape: readonly number[] = [2, 3, 4, 4]

/** A float32 tensor of f(0), f(1), … */
export function formula(f: (j: number) => number, of: readonly number[] = shape): Tensor<"float32"> {
  return {
    dtype: "float32",
    shape: of,
    data: Float32Array.from({ length: elementCount(of) }, (_, j) => f(j)),
  }
}

/** The kinds of SDE in the fixtures. */
export type Kind = "ve" | "vp" | "subvp"

const variance = 0.04
const means = (j: number) => 0.5 + 0.3 * Math.cos(0.7 * j)

/** The score of one number of a picture at scale·picture + std·z, and its derivative: the mixture of make.py. */
function score(x: number, j: number, scale: number, std: number): readonly [number, number] {
  const v = Math.fround(variance * scale ** 2 + std ** 2)
  const m = Math.fround(means(j) * scale)
  const tanh = Math.tanh((x * m) / v)
  return [(m * tanh - x) / v, ((m ** 2 / v) * (1 - tanh ** 2) - 1) / v]
}

/** What a network of the kind takes a label for, and the factor of its output before the score. */
function level(kind: Kind, label: number, steps: number | undefined): readonly [number, number, number] {
  if (kind === "ve") {
    return [1, steps === undefined ? label : 50 * (0.01 / 50) ** (label / (steps - 1)), 1]
  }
  const t = label / (steps === undefined ? 999 : steps - 1)
  const integral = 0.1 * t + 0.5 * 19.9 * t ** 2
  const decay = -Math.expm1(-integral)
  const std = kind === "subvp" ? decay : Math.sqrt(decay)
  return [Math.exp(-integral / 2), std, -Math.fround(std)]
}

/**
 * The network of make.py with its vector–Jacobian product.
 *
 * @param steps - Of the chain that it was trained on; absent for continuous times.
 */
export function mixtureVjp(kind: Kind, steps?: number): NetworkVjp {
  return async (x, labels, v) => {
    const output = new Float32Array(x.data.length)
    const vjp = new Float32Array(x.data.length)
    const size = x.data.length / labels.length
    labels.forEach((label, b) => {
      const [scale, std, factor] = level(kind, label, steps)
      for (let j = b * size; j < (b + 1) * size; j++) {
        const [value, slope] = score(x.data[j]!, j, scale, std)
        output[j] = factor * value
        vjp[j] = factor * slope * v.data[j]!
      }
    })
    return { output: { ...x, data: output }, vjp: { ...x, data: vjp } }
  }
}

/** The network of make.py. */
export function mixture(kind: Kind, steps?: number): Network {
  const network = mixtureVjp(kind, steps)
  return async (x, labels) => (await network(x, labels, x)).output
}

/** The denoiser of make.py. */
export const mixtureDenoiser: Denoiser = async (x, sigma) => {
  const size = x.data.length / sigma.length
  const data = x.data.map((value, j) => {
    const std = sigma[Math.floor(j / size)]!
    return value + std ** 2 * score(value, j, 1, std)[0]
  })
  return { ...x, data }
}

/** The largest difference of two lists, relative to the largest expected value. */
export function difference(actual: Tensor<"float32">, expected: readonly number[]): number {
  const largest = Math.max(...expected.map(Math.abs))
  return Math.max(...expected.map((value, i) => Math.abs(actual.data[i]! - value))) / largest
}
