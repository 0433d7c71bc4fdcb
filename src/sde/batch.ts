import { type PerSample, perSample } from "../schedulers/checks.ts"
import { elementCount, type Tensor } from "../tensor.ts"

/**
 * w₁·x₁ + w₂·x₂ + …, each weight one number for the whole batch or one for each sample. Rounded to float32 after each
 * term.
 */
export function weightedSum(
  ...terms: readonly [
    readonly [weight: PerSample, of: Tensor<"float32">],
    ...(readonly [weight: PerSample, of: Tensor<"float32">])[],
  ]
): Tensor<"float32"> {
  const { shape } = terms[0][1]
  const samples = shape[0] ?? 1
  const sum = new Float32Array(elementCount(shape))
  const size = sum.length / samples
  for (const [weights, { data }] of terms) {
    const list = perSample("weights", weights, samples)
    for (let b = 0, i = 0; b < samples; b++) {
      const weight = list[b]!
      for (const end = i + size; i < end; i++) sum[i] = sum[i]! + weight * data[i]!
    }
  }
  return { dtype: "float32", shape, data: sum }
}

/** The inner product ⟨x, y⟩ of each sample. */
export function innerProducts(x: Tensor<"float32">, y: Tensor<"float32">): Float64Array {
  const samples = x.shape[0] ?? 1
  const size = x.data.length / samples
  return Float64Array.from({ length: samples }, (_, b) => {
    let sum = 0
    for (let i = b * size, end = i + size; i < end; i++) sum += x.data[i]! * y.data[i]!
    return sum
  })
}

/** The mean over the batch of each sample's Euclidean norm. */
export function meanNorm(x: Tensor<"float32">): number {
  const squares = innerProducts(x, x)
  return squares.reduce((sum, square) => sum + Math.sqrt(square), 0) / squares.length
}

/** A tensor of zeros, shaped like `x`. */
export function zerosLike(x: Tensor<"float32">): Tensor<"float32"> {
  return { dtype: "float32", shape: x.shape, data: new Float32Array(x.data.length) }
}

/** The same time for every sample of `x`. */
export function times(x: Tensor, t: number): Float32Array {
  return new Float32Array(x.shape[0] ?? 1).fill(t)
}

/** log N(z; 0, std²·I) of each sample. */
export function gaussianLogp(z: Tensor<"float32">, std: number): Float64Array {
  const squares = innerProducts(z, z)
  const dimensions = z.data.length / squares.length
  return squares.map(square => -(dimensions / 2) * Math.log(2 * Math.PI * std ** 2) - square / (2 * std ** 2))
}
