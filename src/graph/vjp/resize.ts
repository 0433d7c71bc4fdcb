import type { Value } from "../builder.ts"
import type { OperatorContext } from "../operators.ts"
import { intAttribute, shapeError, stringAttribute } from "../operators.ts"
import { mul } from "../ops/elementwise.ts"
import type { LinearMap } from "./along-axis.ts"
import { transposedAlongAxis } from "./along-axis.ts"
import type { GradientRule } from "./rule.ts"
import { numberLike } from "./values.ts"

// The rule of ops/resize.ts.

const resizeRule: GradientRule = context => {
  const { cotangent: dy } = context
  if (context.attributes.axes) shapeError(context, "scales must be given for all axes.")
  return [
    () => {
      const { shape } = context.input(0)
      const maps = shape.flatMap((size, axis) => {
        const [before, after] = [size as number, dy.shape[axis] as number]
        if (size === dy.shape[axis] && scaleOf(context, axis, 1) === 1) return []
        const scale = scaleOf(context, axis, after / before)
        return [{ axis, before, map: resizeMap(context, before, after, scale) }]
      })
      const factor = repetitions(maps)
      if (factor !== undefined) return sumOfTiles(dy, factor)
      return maps.reduce(
        (gradient, { axis, before, map }) => transposedAlongAxis(gradient, axis, map, before),
        dy,
      )
    },
  ]
}

function scaleOf(context: OperatorContext, axis: number, fallback: number): number {
  const scales = context.constant(2)
  return scales && scales.data.length > axis ? Number(scales.data[axis]) : fallback
}

interface AxisMap {
  readonly axis: number
  readonly before: number
  readonly map: LinearMap
}

/** How often every pixel is repeated in height and width, where that is all that the maps do. */
function repetitions(maps: readonly AxisMap[]): readonly [height: number, width: number] | undefined {
  const factors = [1, 1] as [number, number]
  for (const { axis, before, map } of maps) {
    const factor = map.length / before
    const repeats = map.every(([term], i) => term![1] === 1 && term![0] === Math.floor(i / factor))
    if ((axis !== 2 && axis !== 3) || !Number.isInteger(factor) || !repeats) return undefined
    factors[axis - 2] = factor
  }
  return factors
}

function sumOfTiles(dy: Value, factor: readonly [number, number]): Value {
  const means = dy.builder.apply("AveragePool", [dy], {
    kernel_shape: { kind: "ints", value: factor },
    strides: { kind: "ints", value: factor },
    pads: { kind: "ints", value: [0, 0, 0, 0] },
    ceil_mode: { kind: "int", value: 0 },
    count_include_pad: { kind: "int", value: 0 },
  })[0]!
  return mul(means, numberLike(dy, factor[0] * factor[1]))
}

/** What every new element takes of the old ones, by ONNX's definition of the modes. */
function resizeMap(context: OperatorContext, before: number, after: number, scale: number): LinearMap {
  const mode = stringAttribute(context, "mode", "nearest")
  if ((mode !== "nearest" && mode !== "linear") || intAttribute(context, "antialias", 0) !== 0) {
    shapeError(context, "only the modes nearest and linear without antialias have gradients.")
  }
  const rounded = rounding(context)
  return Array.from({ length: after }, (_, i) => {
    const place = Math.min(Math.max(sourcePlace(context, i, before, after, scale), 0), before - 1)
    if (mode === "nearest") return [[Math.min(Math.max(rounded(place), 0), before - 1), 1]] as const
    const left = Math.floor(place)
    const part = place - left
    return part === 0
      ? ([[left, 1]] as const)
      : ([
          [left, 1 - part],
          [left + 1, part],
        ] as const)
  })
}

function sourcePlace(
  context: OperatorContext,
  i: number,
  before: number,
  after: number,
  scale: number,
): number {
  const mode = stringAttribute(context, "coordinate_transformation_mode", "half_pixel")
  switch (mode) {
    case "half_pixel":
      return (i + 0.5) / scale - 0.5
    case "pytorch_half_pixel":
      return after > 1 ? (i + 0.5) / scale - 0.5 : 0
    case "half_pixel_symmetric":
      return (before / 2) * (1 - after / (scale * before)) + (i + 0.5) / scale - 0.5
    case "asymmetric":
      return i / scale
    case "align_corners":
      return after > 1 ? (i * (before - 1)) / (after - 1) : 0
    default:
      return shapeError(context, `the coordinate_transformation_mode ${mode} has no gradient.`)
  }
}

function rounding(context: OperatorContext): (place: number) => number {
  const mode = stringAttribute(context, "nearest_mode", "round_prefer_floor")
  switch (mode) {
    case "round_prefer_floor":
      return place => Math.ceil(place - 0.5)
    case "round_prefer_ceil":
      return place => Math.floor(place + 0.5)
    case "floor":
      return Math.floor
    case "ceil":
      return Math.ceil
    default:
      return shapeError(context, `the nearest_mode ${mode} has no gradient.`)
  }
}

export const resizeGradients: Readonly<Record<string, GradientRule>> = { Resize: resizeRule }
