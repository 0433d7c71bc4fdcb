import type { Value } from "../builder.ts"
import type { OperatorContext } from "../operators.ts"
import { intsAttribute, shapeError, stringAttribute } from "../operators.ts"
import type { Dim } from "../types.ts"

/** Something for height and width. */
export type Pair = readonly [height: number, width: number]

/** How a window of taps moves over an image. */
export interface Window {
  /** Taps. */
  readonly kernel: Pair
  readonly strides: Pair
  /** Distance between taps. */
  readonly dilations: Pair
  /** Pixels added in front and behind. */
  readonly before: Pair
  readonly after: Pair
}

/** The window that the attributes of a convolution or pool describe. */
export function windowOf(context: OperatorContext, kernel: readonly number[]): Window {
  if (kernel.length !== 2) shapeError(context, "only two-dimensional windows have gradients.")
  if (stringAttribute(context, "auto_pad", "NOTSET") !== "NOTSET") {
    shapeError(context, "padding must be given by pads, not by auto_pad.")
  }
  const numbers = (name: string, fallback: readonly number[]): readonly number[] => {
    const given = intsAttribute(context, name, fallback)
    return given.length === fallback.length
      ? given
      : shapeError(context, `${name} must be ${fallback.length} numbers.`)
  }
  const [strides, dilations, pads] = [
    numbers("strides", [1, 1]),
    numbers("dilations", [1, 1]),
    numbers("pads", [0, 0, 0, 0]),
  ]
  return {
    kernel: pair(i => kernel[i]!),
    strides: pair(i => strides[i]!),
    dilations: pair(i => dilations[i]!),
    before: pair(i => pads[i]!),
    after: pair(i => pads[i + 2]!),
  }
}

/** Where every tap begins, row by row of the window. */
export function tapStarts({ kernel, dilations }: Window): readonly Pair[] {
  return Array.from({ length: kernel[0] * kernel[1] }, (_, tap) => [
    Math.floor(tap / kernel[1]) * dilations[0],
    (tap % kernel[1]) * dilations[1],
  ])
}

/**
 * What every tap sees of `x` as the window moves over `count` places.
 *
 * @param padding stands around the image; zeros where absent.
 */
export function windowTaps(x: Value, count: Pair, window: Window, padding?: Value): readonly Value[] {
  const { before, after, strides } = window
  const padded = [...before, ...after].some(n => n > 0) ? padImage(x, window, padding) : x
  const [height, width] = imageSize(padded)
  return tapStarts(window).map(starts => {
    const ends = pair(i => starts[i]! + (count[i]! - 1) * strides[i]! + 1)
    const whole = Math.max(...starts) === 0 && ends[0] === height && ends[1] === width
    return whole && Math.max(...strides) === 1 ? padded : sliceImage(padded, starts, ends, strides)
  })
}

function padImage(x: Value, { before, after }: Window, padding: Value | undefined): Value {
  const pads = x.builder.ints([0, 0, ...before, 0, 0, ...after])
  return x.builder.apply("Pad", padding ? [x, pads, padding] : [x, pads], {
    mode: { kind: "string", value: "constant" },
  })[0]!
}

/** Pixels from `starts` to `ends` (not included) in steps, along height and width. */
export function sliceImage(x: Value, starts: Pair, ends: Pair, steps: Pair): Value {
  return x.builder.apply("Slice", [x, ...[starts, ends, [2, 3], steps].map(n => x.builder.ints(n))])[0]!
}

export function imageSize(x: { readonly shape: readonly Dim[] }): Pair {
  return pair(i => x.shape[i + 2] as number)
}

export function pair(value: (index: number) => number): Pair {
  return [value(0), value(1)]
}
