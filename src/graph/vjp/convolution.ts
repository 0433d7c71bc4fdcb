import type { Value } from "../builder.ts"
import { intAttribute, knownSize, shapeError } from "../operators.ts"
import { mul } from "../ops/elementwise.ts"
import { linear } from "../ops/matmul.ts"
import { reduceSum } from "../ops/reduction.ts"
import { pad, reshape, slice, transpose } from "../ops/shape.ts"
import type { Attributes } from "../types.ts"
import type { GradientContext, GradientRule } from "./rule.ts"
import { concatMany } from "./values.ts"
import type { Pair, Window } from "./windows.ts"
import { imageSize, pair, sliceImage, windowOf, windowTaps } from "./windows.ts"

// One rule per operator of ops/convolution.ts. Every attribute is written out and nothing has groups but depthwise
// convolutions: some web kernels compute wrong numbers otherwise.

interface Geometry extends Window {
  readonly groups: number
}

// Conv(x, w): x [N, C, H, W] and w [M, C/groups, h, w] to y [N, M, …].
const convRule: GradientRule = context => {
  const { cotangent: dy } = context
  const geometry = geometryOf(context)
  return [
    () => convInputGradient(dy, context.input(1), geometry, imageSize(context.input(0))),
    () => kernelGradient(context.input(0), dy, geometry),
    () => biasGradient(context),
  ]
}

// ConvTranspose(x, w) with w [C, M/groups, h, w] is the map that takes Conv's cotangent to the cotangent of its input,
// so its own gradients are Conv's with the parts of x and dy exchanged.
const convTransposeRule: GradientRule = context => {
  const { cotangent: dy } = context
  if (context.attributes.output_shape) shapeError(context, "output_shape has no gradient; use pads.")
  const geometry = geometryOf(context)
  return [
    () => perGroup(geometry, dy, context.input(1), convolve),
    () => kernelGradient(dy, context.input(0), geometry),
    () => biasGradient(context),
  ]
}

function biasGradient({ cotangent }: GradientContext): Value {
  return reduceSum(cotangent, [0, 2, 3], { keepDims: false })
}

/** The cotangent of a convolution's input of height and width `size`, from that of its output. */
export function convInputGradient(dy: Value, weight: Value, geometry: Geometry, size: Pair): Value {
  return perGroup(geometry, dy, weight, (...parts) => convInputGradientOfGroup(...parts, size))
}

function convInputGradientOfGroup(dy: Value, weight: Value, geometry: Geometry, size: Pair): Value {
  const { kernel, strides, dilations, before, after } = geometry
  const span = pair(i => dilations[i]! * (kernel[i]! - 1))
  const turnedBefore = pair(i => span[i]! - before[i]!)
  const turnedAfter = pair(i => span[i]! - after[i]!)
  if (Math.max(...strides) === 1 && Math.min(...turnedBefore, ...turnedAfter) >= 0) {
    // Faster than ConvTranspose, and a fixed weight is turned once, not in every run.
    return convolve(dy, turned(weight, geometry), {
      ...geometry,
      before: turnedBefore,
      after: turnedAfter,
    })
  }
  const places = imageSize(dy)
  const left = pair(i => size[i]! - ((places[i]! - 1) * strides[i]! + span[i]! + 1 - before[i]! - after[i]!))
  return applyConvolution("ConvTranspose", dy, weight, geometry, left)
}

/** A kernel turned by 180°, with the roles of input and output channels exchanged. */
function turned(weight: Value, { kernel, groups }: Geometry): Value {
  const exchanged = groups === 1 ? transpose(weight, [1, 0, 2, 3]) : weight
  if (Math.max(...kernel) === 1) return exchanged
  return sliceImage(
    exchanged,
    [-1, -1],
    pair(i => -kernel[i]! - 1),
    [-1, -1],
  )
}

// Σ over pictures and places of x under each tap of the window times dy: [M, C/groups, h, w].
function kernelGradient(x: Value, dy: Value, geometry: Geometry): Value {
  const { groups } = geometry
  if (groups > 1 && channels(x) === groups && channels(dy) === groups) {
    return depthwiseKernelGradient(x, dy, geometry)
  }
  const kernels = Array.from({ length: groups }, (_, group) =>
    kernelGradientOfGroup(part(x, 1, group, groups), part(dy, 1, group, groups), geometry),
  )
  return concatMany(kernels, 0)
}

function kernelGradientOfGroup(x: Value, dy: Value, geometry: Geometry): Value {
  const [outputs, inputs] = [channels(dy), channels(x)]
  // Channels first, so that one matrix product per tap sums over all pictures and places.
  const rows = reshape(transpose(dy, [1, 0, 2, 3]), [outputs, -1])
  const taps = windowTaps(transpose(x, [1, 0, 2, 3]), imageSize(dy), geometry).map(tap =>
    reshape(linear(rows, reshape(tap, [inputs, -1])), [outputs, inputs, 1]),
  )
  return reshape(concatMany(taps, 2), [outputs, inputs, ...geometry.kernel])
}

function depthwiseKernelGradient(x: Value, dy: Value, geometry: Geometry): Value {
  const taps = windowTaps(x, imageSize(dy), geometry).map(tap =>
    reshape(reduceSum(mul(tap, dy), [0, 2, 3], { keepDims: false }), [channels(x), 1]),
  )
  return reshape(concatMany(taps, 1), [channels(x), 1, ...geometry.kernel])
}

/**
 * Convolves every group of channels of `x` with its part of the weight, which lies along its first dimension, and joins
 * the results. One group and depthwise kernels need no cutting.
 */
function perGroup(
  geometry: Geometry,
  x: Value,
  weight: Value,
  compute: (x: Value, weight: Value, geometry: Geometry) => Value,
): Value {
  const { groups } = geometry
  const depthwise = weight.shape[0] === groups && weight.shape[1] === 1
  if (groups === 1 || depthwise) return compute(x, weight, geometry)
  const results = Array.from({ length: groups }, (_, group) =>
    compute(part(x, 1, group, groups), part(weight, 0, group, groups), { ...geometry, groups: 1 }),
  )
  return concatMany(results, 1)
}

function part(x: Value, axis: number, group: number, groups: number): Value {
  if (groups === 1) return x
  const size = (x.shape[axis] as number) / groups
  return slice(x, axis, group * size, (group + 1) * size)
}

function convolve(x: Value, weight: Value, geometry: Geometry): Value {
  const missing = isMisread(x, weight, geometry) ? 4 - (channels(x) % 4) : 0
  return applyConvolution("Conv", withChannels(x, missing), withChannels(weight, missing), geometry)
}

// WebGPU's kernel in ONNX Runtime 1.30 gives wrong numbers for these, and right ones with zeros up to a multiple of 4.
function isMisread(x: Value, weight: Value, { kernel, groups }: Geometry): boolean {
  const [inputs, outputs] = [channels(x), weight.shape[0] as number]
  const inThrees = inputs > 3 && inputs % 3 === 0 && inputs % 4 !== 0
  return groups === 1 && Math.max(...kernel) > 1 && inThrees && outputs % 4 === 0
}

function withChannels(x: Value, added: number): Value {
  return added === 0 ? x : pad(x, [0, 0, 0, 0], [0, added, 0, 0])
}

function applyConvolution(
  op: "Conv" | "ConvTranspose",
  x: Value,
  weight: Value,
  { kernel, strides, dilations, before, after, groups }: Geometry,
  outputPadding?: Pair,
): Value {
  const attributes: Attributes = {
    kernel_shape: { kind: "ints", value: kernel },
    strides: { kind: "ints", value: strides },
    pads: { kind: "ints", value: [...before, ...after] },
    dilations: { kind: "ints", value: dilations },
    group: { kind: "int", value: groups },
    ...(outputPadding && { output_padding: { kind: "ints", value: outputPadding } }),
  }
  return x.builder.apply(op, [x, weight], attributes)[0]!
}

function geometryOf(context: GradientContext): Geometry {
  const weight = context.input(1)
  const groups = intAttribute(context, "group", 1)
  if (!(groups >= 1 && knownSize(context, weight, 0) % groups === 0)) {
    shapeError(context, `the weight can't be cut into ${groups} groups.`)
  }
  return { ...windowOf(context, weight.shape.slice(2) as readonly number[]), groups }
}

function channels(x: Value): number {
  return x.shape[1] as number
}

export const convolutionGradients: Readonly<Record<string, GradientRule>> = {
  Conv: convRule,
  ConvTranspose: convTransposeRule,
}
