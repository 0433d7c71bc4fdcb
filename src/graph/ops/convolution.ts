import type { Value } from "../builder.ts"
import type { OperatorContext, OperatorRule } from "../operators.ts"
import { intAttribute, intsAttribute, requiredRank, sameDType, shapeError } from "../operators.ts"
import type { Attributes, Dim, ValueType } from "../types.ts"

/** How a two-dimensional convolution moves over its input. */
export interface ConvolutionOptions {
  /** Step of the window (Conv), or of the output per input pixel (ConvTranspose). Default 1. */
  readonly stride?: number
  /** Pixels added on all sides, or `[top, left, bottom, right]`. Default 0. */
  readonly padding?: number | readonly [top: number, left: number, bottom: number, right: number]
  /** Distance between the taps of the window. Default 1. */
  readonly dilation?: number
  /** 1, or the number of input channels for a depthwise convolution. Default 1. */
  readonly groups?: number
}

/** Cross-correlates `x` [N, C, H, W] with `weight` [M, C/groups, h, w]; `bias` is [M]. */
export function conv(x: Value, weight: Value, bias?: Value, options: ConvolutionOptions = {}): Value {
  return x.builder.apply("Conv", bias ? [x, weight, bias] : [x, weight], attributes(weight, options))[0]!
}

/** The transpose of {@link conv}: `x` [N, C, H, W], `weight` [C, M/groups, h, w], `bias` [M]. */
export function convTranspose(
  x: Value,
  weight: Value,
  bias?: Value,
  options: ConvolutionOptions = {},
): Value {
  return x.builder.apply(
    "ConvTranspose",
    bias ? [x, weight, bias] : [x, weight],
    attributes(weight, options),
  )[0]!
}

// Every attribute is written out: some web kernels compute wrong numbers when one is left to its default.
function attributes(weight: Value, options: ConvolutionOptions): Attributes {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options
  const pads = typeof padding === "number" ? [padding, padding, padding, padding] : padding
  return {
    kernel_shape: { kind: "ints", value: weight.shape.slice(2) as number[] },
    strides: { kind: "ints", value: [stride, stride] },
    pads: { kind: "ints", value: pads },
    dilations: { kind: "ints", value: [dilation, dilation] },
    group: { kind: "int", value: groups },
  }
}

const convRule: OperatorRule = {
  infer: context => {
    const { x, weight, dtype, groups } = operands(context)
    const [outputs, inputs] = weight.shape as [Dim, Dim]
    if (typeof inputs !== "number" || inputs * groups !== x.shape[1]) {
      shapeError(context, `the weight is made for ${inputs} × ${groups} input channels.`)
    }
    const size = windows(context, x, weight, (length, window, stride, before, after) =>
      Math.floor((length + before + after - window) / stride + 1),
    )
    return [{ dtype, shape: [x.shape[0]!, outputs, ...size] }]
  },
}

const convTransposeRule: OperatorRule = {
  infer: context => {
    const { x, weight, dtype, groups } = operands(context)
    if (weight.shape[0] !== x.shape[1])
      shapeError(context, `the weight is made for ${weight.shape[0]} input channels.`)
    const extra = intsAttribute(context, "output_padding", [0, 0])
    const size = windows(
      context,
      x,
      weight,
      (length, window, stride, before, after, axis) =>
        (length - 1) * stride + window + (extra[axis] ?? 0) - before - after,
    )
    return [{ dtype, shape: [x.shape[0]!, Number(weight.shape[1]) * groups, ...size] }]
  },
}

function operands(context: OperatorContext): {
  x: ValueType
  weight: ValueType
  dtype: ValueType["dtype"]
  groups: number
} {
  const x = requiredRank(context, 0, 4)
  const weight = requiredRank(context, 1, 4)
  return { x, weight, dtype: sameDType(context, [0, 1, 2]), groups: intAttribute(context, "group", 1) }
}

function windows(
  context: OperatorContext,
  x: ValueType,
  weight: ValueType,
  size: (
    length: number,
    window: number,
    stride: number,
    before: number,
    after: number,
    axis: number,
  ) => number,
): number[] {
  const strides = intsAttribute(context, "strides", [1, 1])
  const pads = intsAttribute(context, "pads", [0, 0, 0, 0])
  const dilations = intsAttribute(context, "dilations", [1, 1])
  return [0, 1].map(axis => {
    const length = x.shape[axis + 2]
    const kernel = weight.shape[axis + 2]
    if (typeof length !== "number" || typeof kernel !== "number") {
      shapeError(context, "height and width must be known.")
    }
    const window = (dilations[axis] ?? 1) * (kernel - 1) + 1
    const out = size(length, window, strides[axis] ?? 1, pads[axis] ?? 0, pads[axis + 2] ?? 0, axis)
    if (out < 1) shapeError(context, `the window of ${window} pixels is larger than the padded input.`)
    return out
  })
}

export const convolutionOperators: Readonly<Record<string, OperatorRule>> = {
  Conv: convRule,
  ConvTranspose: convTransposeRule,
}
