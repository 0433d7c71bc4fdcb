import type { OperatorContext } from "../operators.ts"
import { intsAttribute, knownSize, shapeError, stringAttribute } from "../operators.ts"
import type { ValueType } from "../types.ts"

/** How a window moves along one direction of an image. */
export interface Window {
  /** Pixels of the input. */
  readonly length: number
  /** Pixels from the first to the last tap. */
  readonly span: number
  readonly stride: number
  /** Pixels added in front and behind. */
  readonly padding: number
}

/** The windows along height and width of `x` [N, C, H, W] as the attributes of convolutions and pools say. */
export function imageWindows(
  context: OperatorContext,
  x: ValueType,
  kernel: readonly number[],
): readonly Window[] {
  if (stringAttribute(context, "auto_pad", "NOTSET") !== "NOTSET") {
    shapeError(context, "padding must be given by pads, not by auto_pad.")
  }
  const strides = sizes(context, "strides", [1, 1], 1)
  const pads = sizes(context, "pads", [0, 0, 0, 0], 0)
  const dilations = sizes(context, "dilations", [1, 1], 1)
  if (kernel.length !== 2 || kernel.some(size => size < 1)) {
    shapeError(context, `there is no window of ${kernel.join(" × ")} pixels.`)
  }
  return [0, 1].map(axis => ({
    length: knownSize(context, x, axis + 2),
    span: dilations[axis]! * (kernel[axis]! - 1) + 1,
    stride: strides[axis]!,
    padding: pads[axis]! + pads[axis + 2]!,
  }))
}

/** How often a window fits on the padded input. */
export function windowCount(context: OperatorContext, { length, span, stride, padding }: Window): number {
  if (length + padding < span) {
    shapeError(context, `the window of ${span} pixels is larger than the padded input.`)
  }
  return Math.floor((length + padding - span) / stride) + 1
}

function sizes(
  context: OperatorContext,
  name: string,
  fallback: readonly number[],
  least: number,
): readonly number[] {
  const given = intsAttribute(context, name, fallback)
  if (given.length !== fallback.length || given.some(size => size < least)) {
    shapeError(
      context,
      `${name} must be ${fallback.length} numbers from ${least} up, not ${given.join(", ")}.`,
    )
  }
  return given
}
