import type { Value } from "../builder.ts"
import { intAttribute, intsAttribute, shapeError } from "../operators.ts"
import { add, mul } from "../ops/elementwise.ts"
import { nearestUpsample } from "../ops/resize.ts"
import { convInputGradient } from "./convolution.ts"
import type { GradientContext, GradientRule } from "./rule.ts"
import { placed } from "./strided.ts"
import { compare, constantLike, numberLike, where } from "./values.ts"
import type { Pair, Window } from "./windows.ts"
import { imageSize, tapStarts, windowOf, windowTaps } from "./windows.ts"

// One rule per operator of ops/pooling.ts.

const averagePoolRule: GradientRule = context => {
  const { cotangent: dy } = context
  const window = poolWindow(context)
  const { kernel, strides, before, after } = window
  return [
    () => {
      const x = context.input(0)
      const [size, places] = [imageSize(x), imageSize(dy)]
      const area = kernel[0] * kernel[1]
      const tiles = [0, 1].every(i => kernel[i] === strides[i] && places[i]! * kernel[i]! === size[i])
      if (tiles && kernel[0] === kernel[1] && Math.max(...before, ...after) === 0) {
        return nearestUpsample(mul(dy, numberLike(dy, 1 / area)), kernel[0])
      }
      const channels = x.shape[1] as number
      const ones = constantLike(x, [channels, 1, ...kernel], new Array(channels * area).fill(1))
      const includesPadding = intAttribute(context, "count_include_pad", 0) !== 0
      const shares = includesPadding ? numberLike(dy, 1 / area) : sharesOfPixels(dy, size, window)
      return convInputGradient(mul(dy, shares), ones, { ...window, groups: channels }, size)
    },
  ]
}

// One over the number of pixels of the image that the window covers at each place: [1, 1, H, W].
function sharesOfPixels(dy: Value, size: Pair, { kernel, strides, dilations, before }: Window): Value {
  const [height, width] = imageSize(dy)
  const covered = (axis: 0 | 1, place: number): number => {
    const taps = Array.from({ length: kernel[axis] }, (_, tap) => tap * dilations[axis])
    return taps.filter(tap => {
      const pixel = place * strides[axis] - before[axis] + tap
      return pixel >= 0 && pixel < size[axis]
    }).length
  }
  const shares = Array.from(
    { length: height * width },
    (_, i) => 1 / (covered(0, Math.floor(i / width)) * covered(1, i % width)),
  )
  return constantLike(dy, [1, 1, height, width], shares)
}

// The first place of the largest pixel of a window, row by row, takes the whole cotangent.
const maxPoolRule: GradientRule = context => {
  const { cotangent: dy } = context
  const window = poolWindow(context)
  const { strides, before } = window
  return [
    () => {
      const [x, y] = [context.input(0), context.output(0)]
      const zero = numberLike(dy, 0)
      const taps = windowTaps(x, imageSize(dy), window, numberLike(x, Number.NEGATIVE_INFINITY))
      let rest = dy
      const gradients = tapStarts(window).map((starts, i) => {
        const chosen = compare("Equal", taps[i]!, y)
        const share = where(chosen, rest, zero)
        rest = where(chosen, zero, rest)
        const rows = { axis: 2, start: starts[0] - before[0], step: strides[0] }
        const columns = { axis: 3, start: starts[1] - before[1], step: strides[1] }
        return placed(share, x.shape, [rows, columns])
      })
      return gradients.reduce((a, b) => add(a, b))
    },
  ]
}

function poolWindow(context: GradientContext): Window {
  if (intAttribute(context, "ceil_mode", 0) !== 0) shapeError(context, "ceil_mode has no gradient.")
  return windowOf(context, intsAttribute(context, "kernel_shape", []))
}

export const poolingGradients: Readonly<Record<string, GradientRule>> = {
  AveragePool: averagePoolRule,
  MaxPool: maxPoolRule,
}
