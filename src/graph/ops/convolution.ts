import type { Value } from "../builder.ts"
import type { OperatorContext, OperatorRule } from "../operators.ts"
import { intAttribute, intsAttribute, knownSize, requiredRank, sameDType, shapeError } from "../operators.ts"
import type { Attributes, ValueType } from "../types.ts"
import { formatShape } from "../types.ts"
import { imageWindows, windowCount } from "./windows.ts"

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
    const [outputs, inputs] = weight.shape
    if (typeof inputs !== "number" || inputs * groups !== x.shape[1]) {
      shapeError(context, `the weight is made for ${inputs} × ${groups} input channels.`)
    }
    if (typeof outputs !== "number" || outputs % groups !== 0) {
      shapeError(context, `${outputs} output channels can't be cut into ${groups} groups.`)
    }
    checkBias(context, outputs)
    const size = imageWindows(context, x, kernelSize(context, weight)).map(w => windowCount(context, w))
    return [{ dtype, shape: [x.shape[0]!, outputs, ...size] }]
  },
}

const convTransposeRule: OperatorRule = {
  infer: context => {
    const { x, weight, dtype, groups } = operands(context)
    const [inputs, outputs] = weight.shape
    if (inputs !== x.shape[1] || typeof inputs !== "number" || inputs % groups !== 0) {
      shapeError(context, `the weight is made for ${inputs} input channels in ${groups} groups.`)
    }
    if (context.attributes.output_shape) shapeError(context, "output_shape is not supported; use pads.")
    const channels = Number(outputs) * groups
    checkBias(context, channels)
    const extra = intsAttribute(context, "output_padding", [0, 0])
    const size = imageWindows(context, x, kernelSize(context, weight)).map((window, axis) => {
      const { length, span, stride, padding } = window
      const out = (length - 1) * stride + span + (extra[axis] ?? 0) - padding
      return out < 1 ? shapeError(context, "the padding leaves nothing of the output.") : out
    })
    return [{ dtype, shape: [x.shape[0]!, channels, ...size] }]
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
  const groups = intAttribute(context, "group", 1)
  if (groups < 1) shapeError(context, `there can't be ${groups} groups.`)
  return { x, weight, dtype: sameDType(context, [0, 1, 2]), groups }
}

function kernelSize(context: OperatorContext, weight: ValueType): readonly number[] {
  const size = [knownSize(context, weight, 2), knownSize(context, weight, 3)]
  const declared = intsAttribute(context, "kernel_shape", size)
  if (declared.join() !== size.join()) {
    shapeError(
      context,
      `kernel_shape ${formatShape(declared)} differs from the weight's ${formatShape(size)}.`,
    )
  }
  return size
}

function checkBias(context: OperatorContext, channels: number): void {
  const bias = context.inputs[2]
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== channels)) {
    shapeError(context, `the bias must have one number for each of ${channels} output channels.`)
  }
}

export const convolutionOperators: Readonly<Record<string, OperatorRule>> = {
  Conv: convRule,
  ConvTranspose: convTransposeRule,
}
