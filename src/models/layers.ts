import type { Value } from "../graph/builder.ts"
import { GraphError } from "../graph/errors.ts"
import { type ConvolutionOptions, conv } from "../graph/ops/convolution.ts"
import { add, gelu, max, mish, mul, relu, silu, sub } from "../graph/ops/elementwise.ts"
import { linear as denseLinear, matmul } from "../graph/ops/matmul.ts"
import { affineNormalization, instanceNormalization } from "../graph/ops/normalization.ts"
import { reduceMean, reduceSumSquare, softmax } from "../graph/ops/reduction.ts"
import { concat, reshape, slice, split, transpose } from "../graph/ops/shape.ts"
import { formatShape } from "../graph/types.ts"

// The parts that all networks here are made of. Each takes the prefix of its parameters' names first, as the
// checkpoints write it, and declares its parameters itself. Images are [N, C, H, W].

/** Number of channels of an image. */
export function channels(x: Value): number {
  return x.shape[1] as number
}

/** Height and width of an image. */
export function imageSize(x: Value): readonly [height: number, width: number] {
  return [x.shape[2] as number, x.shape[3] as number]
}

export interface Conv2dOptions {
  /** Side of the window. Default 3. */
  readonly kernel?: number
  readonly stride?: number
  /** Pixels of zeros on each side. Default: what keeps the size at stride 1. */
  readonly padding?: number | readonly [top: number, left: number, bottom: number, right: number]
  /** A factor on the result, which goes into weight and bias. Default 1. */
  readonly gain?: number
  /** Default true. */
  readonly bias?: boolean
}

/** A convolution: `name.weight` [out, in, k, k] and `name.bias` [out]. */
export function conv2d(name: string, x: Value, out: number, options: Conv2dOptions = {}): Value {
  const { kernel = 3, stride = 1, padding = (kernel - 1) / 2, gain = 1, bias = true } = options
  const { builder } = x
  return builder.at(name, () => {
    const weight = builder.parameter(`${name}.weight`, [out, channels(x), kernel, kernel])
    const offset = bias ? scaled(builder.parameter(`${name}.bias`, [out]), gain) : undefined
    return convolve(x, scaled(weight, gain), offset, { stride, padding })
  })
}

export interface ConvolveOptions extends ConvolutionOptions {
  /** An image that is added to the result. */
  readonly onto?: Value
}

/**
 * A convolution with given `weight` [M, C, k, k] and `bias` [M]. Of a large image that joins others, it is the sum of
 * theirs, so that nothing has to join them.
 */
export function convolve(x: Value, weight: Value, bias?: Value, options: ConvolveOptions = {}): Value {
  const { onto, ...window } = options
  let start = 0
  let result = onto
  for (const [i, part] of partsOf(x).entries()) {
    const end = start + channels(part)
    const own = part === x ? weight : slice(weight, 1, start, end)
    const image = conv(part, own, i === 0 ? bias : undefined, window)
    result = result ? sum(result, image) : image
    start = end
  }
  return result!
}

// Elements of an image from which on passes over memory cost more than the dozen small nodes that save some of them.
const largeImage = 2 ** 20

function isLarge(x: Value): boolean {
  const [height, width] = imageSize(x)
  return x.shape.length === 4 && channels(x) * height * width >= largeImage
}

// The images that a large one joins along the channels; itself alone where it joins none.
function partsOf(x: Value): readonly Value[] {
  const { builder } = x
  const node = isLarge(x) ? builder.producer(x) : undefined
  const axis = node?.op === "Concat" ? node.attributes.axis : undefined
  return axis?.kind === "int" && axis.value === 1 ? node!.inputs.map(name => builder.value(name)) : [x]
}

/** `change` of an image, element by element: of a large one that joins others, of each of them, to be joined later. */
export function eachPart(x: Value, change: (part: Value, index: number) => Value): Value {
  const [first, ...others] = partsOf(x).map(change)
  return others.length === 0 ? first! : concat([first!, ...others], 1)
}

/** The sum of two images of one shape; sizes of 1 are not repeated. */
export function sum(a: Value, b: Value): Value {
  const [left, right] = [formatShape(a.shape), formatShape(b.shape)]
  if (left !== right) throw new GraphError("GRAPH_SHAPE", `Images of ${left} and ${right} can't be added up.`)
  return add(a, b)
}

/** `x` times a number; `x` itself where the number is 1. */
export function scaled(x: Value, factor: number): Value {
  return factor === 1 ? x : mul(x, factor)
}

/** A fully connected layer on `x` [N, I]: `name.weight` [out, I] and `name.bias` [out]. */
export function linear(name: string, x: Value, out: number): Value {
  const { builder } = x
  return builder.at(name, () => {
    const weight = builder.parameter(`${name}.weight`, [out, x.shape[1] as number])
    return denseLinear(x, weight, builder.parameter(`${name}.bias`, [out]))
  })
}

export interface GroupNormOptions {
  readonly groups: number
  readonly epsilon: number
  /** A vector per picture [N, C] that is added to every pixel first. */
  readonly offset?: Value
}

/**
 * Group normalisation (Wu & He 2018): channels in `groups` equal groups, each brought to mean 0 and variance 1 over the
 * group and the image, then scaled and shifted per channel by `name.weight` and `name.bias` [C].
 */
export function groupNorm(name: string, x: Value, options: GroupNormOptions): Value {
  const { builder } = x
  const count = channels(x)
  return builder.at(name, () => {
    const affine = {
      weight: builder.parameter(`${name}.weight`, [count]),
      bias: builder.parameter(`${name}.bias`, [count]),
    }
    return normalizeGroups(name, x, options, affine)
  })
}

/** Factor and summand for each channel of an image, [C] both. */
export interface ChannelAffine {
  readonly weight: Value
  readonly bias: Value
}

/** {@link groupNorm} with the given scales and shifts, or with none. */
export function normalizeGroups(
  name: string,
  x: Value,
  options: GroupNormOptions,
  affine?: ChannelAffine,
): Value {
  const count = channels(x)
  if (count % options.groups !== 0) {
    throw new GraphError(
      "GRAPH_SHAPE",
      `${name}: ${count} channels can't be cut into ${options.groups} equal groups.`,
    )
  }
  // float16 can't hold the squares' sums, and their difference would be nothing but its rounding.
  const byStatistics = x.builder.precision === "float32" && isLarge(x)
  return (byStatistics ? normByStatistics : normByGroups)(x, options, affine)
}

type Norm = (x: Value, options: GroupNormOptions, affine: ChannelAffine | undefined) => Value

const normByGroups: Norm = (x, { groups, epsilon, offset }, affine) => {
  const { builder } = x
  const shifted = offset ? add(x, reshape(offset, [...offset.shape, 1, 1])) : x
  const filled = (count: number, number: number): Value =>
    builder.shared(`${count} times ${number}`, () =>
      builder.constant("float32", [count], new Float32Array(count).fill(number)),
    )
  const grouped = reshape(shifted, [x.shape[0]!, groups, -1])
  const normalized = reshape(
    instanceNormalization(grouped, filled(groups, 1), filled(groups, 0), epsilon),
    x.shape,
  )
  if (!affine) return normalized
  // Factor and summand in one node.
  const [mean, variance] = [filled(channels(x), 0), filled(channels(x), 1)]
  return affineNormalization(normalized, { scale: affine.weight, bias: affine.bias, mean, variance }, 0)
}

// Reads the image twice for the means per channel, does the rest on vectors, and writes the image once.
const normByStatistics: Norm = (x, { groups, epsilon, offset }, affine) => {
  const { mean, meanSquare } = channelMeans(x)
  const grouped = (vectors: Value): Value => reshape(vectors, [...vectors.shape.slice(0, -1), groups, -1])
  // Means of x + o and its square: m + o, and q + o(2m + o).
  const shiftedMean = offset ? add(mean, offset) : mean
  const shiftedSquare = offset ? add(meanSquare, mul(offset, add(mean, shiftedMean))) : meanSquare
  // [N, groups, 1] from here on, which zeros of [N, groups, C / groups] bring to one number per channel.
  const groupMean = reduceMean(grouped(shiftedMean), [2])
  const groupSquare = reduceMean(grouped(shiftedSquare), [2])
  // The difference is off by about 1e-7 of its terms. Where it is no more than that, the floor keeps it from blowing
  // the result up: an image that is flat to six digits counts as flat.
  const variance = max(sub(groupSquare, mul(groupMean, groupMean)), mul(groupSquare, 2 ** -20))
  const zeros = mul(grouped(mean), 0)
  const sizes = partsOf(x).map(channels)
  // One piece for each part of the image.
  const pieces = (vectors: Value): readonly Value[] => {
    if (sizes.length === 1) return [reshape(vectors, [-1])]
    const perPart = split(reshape(vectors, mean.shape), 1, sizes)
    return perPart.map(piece => reshape(piece, [-1]))
  }
  const scales = pieces(add(zeros, affine ? grouped(affine.weight) : 1))
  const biases = pieces(affine ? add(zeros, grouped(affine.bias)) : zeros)
  const means = pieces(offset ? sub(groupMean, grouped(offset)) : add(zeros, groupMean))
  const variances = pieces(add(zeros, variance))
  return eachPart(x, (part, i) => {
    const [scale, bias, mean, variance] = [scales[i]!, biases[i]!, means[i]!, variances[i]!]
    // All pictures of the batch become channels of one, since the operator takes one number per channel.
    const flat = reshape(part, [1, -1, ...imageSize(x)])
    return reshape(affineNormalization(flat, { scale, bias, mean, variance }, epsilon), part.shape)
  })
}

// Means of every channel and of its square, [N, C] each; those of joined images are joined, not computed again.
function channelMeans(x: Value): { readonly mean: Value; readonly meanSquare: Value } {
  const { builder } = x
  const [, width] = imageSize(x)
  // First along the rows, then over them: sums of a million terms would lose three digits.
  const options = { keepDims: false }
  const joined = partsOf(x)
  const parts = joined.length > 1 ? joined.map(channelMeans) : undefined
  const join = (values: readonly Value[]): Value => concat(values as [Value, ...Value[]], 1)
  return {
    mean: builder.shared(`mean of ${x.name}`, () =>
      parts ? join(parts.map(part => part.mean)) : reduceMean(reduceMean(x, [3], options), [2], options),
    ),
    meanSquare: builder.shared(`mean square of ${x.name}`, () =>
      parts
        ? join(parts.map(part => part.meanSquare))
        : mul(reduceMean(reduceSumSquare(x, [3], options), [2], options), 1 / width),
    ),
  }
}

export type Activation = "silu" | "swish" | "mish" | "gelu" | "relu"

const activations: ReadonlyMap<string, (x: Value) => Value> = new Map<Activation, (x: Value) => Value>([
  ["silu", silu],
  ["swish", silu],
  ["mish", mish],
  ["gelu", gelu],
  ["relu", relu],
])

/**
 * The activation function that a configuration names, in upper or lower case.
 *
 * @throws GraphError `GRAPH_STRUCTURE` for another name.
 */
export function activation(name: string): (x: Value) => Value {
  const found = activations.get(name.toLowerCase())
  if (found) return x => eachPart(x, found)
  const known = [...activations.keys()].join(", ")
  throw new GraphError("GRAPH_STRUCTURE", `There is no activation function "${name}"; there are ${known}.`)
}

export interface AttentionOptions {
  /** Channels per head. */
  readonly headDim: number
  /** A factor on the result. Default 1. */
  readonly gain?: number
  /** Names of the four projections, as the checkpoint has them. */
  readonly names: {
    readonly query: string
    readonly key: string
    readonly value: string
    readonly out: string
  }
}

/**
 * Self-attention over the pixels: softmax(QᵀK/√d)Vᵀ per head, with projections before and after.
 * `x` [N, C, H, W] is already normalised; the result has the same shape.
 */
export function selfAttention(name: string, x: Value, { headDim, gain = 1, names }: AttentionOptions): Value {
  const { builder } = x
  const [batch, count, height, width] = x.shape as readonly [Value["shape"][number], number, number, number]
  const heads = Math.floor(count / headDim)
  if (heads < 1) {
    throw new GraphError(
      "GRAPH_SHAPE",
      `${name}: ${count} channels are too few for an attention head of ${headDim}.`,
    )
  }
  const inner = heads * headDim
  const pixels = height * width
  const project = (part: string, input: Value, out: number, factor: number): Value => {
    const weight = builder.parameter(`${name}.${part}.weight`, [out, channels(input)])
    const kernel = reshape(scaled(weight, factor), [out, channels(input), 1, 1])
    return conv(input, kernel, scaled(builder.parameter(`${name}.${part}.bias`, [out]), factor))
  }
  return builder.at(name, () => {
    const split = (part: string, factor = 1): Value =>
      reshape(project(part, x, inner, factor), [batch, heads, headDim, pixels])
    const query = transpose(split(names.query, 1 / Math.sqrt(headDim)), [0, 1, 3, 2])
    const weights = softmax(matmul(query, split(names.key)))
    const mixed = matmul(split(names.value), transpose(weights, [0, 1, 3, 2]))
    return project(names.out, reshape(mixed, [batch, inner, height, width]), count, gain)
  })
}
