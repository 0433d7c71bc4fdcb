import { describeValue } from "../describe-value.ts"
import { InputError } from "../errors.ts"
import { formatShape } from "../graph/types.ts"
import type { ValueInfo } from "../runtime/session.ts"
import { checkTensor, type DType, type Tensor } from "../tensor.ts"
import { type ClassInput, type ClassLabels, labelTensor } from "./class-labels.ts"
import { networkNames } from "./network-names.ts"
import { toDType } from "./to-dtype.ts"

/** The network's label for each picture: σ for a Fourier model, the step for the others; one for all or one for each. */
export type Timestep = number | ArrayLike<number>

/**
 * What a network's session is fed: the inputs of those names, in the types that it declares.
 *
 * @param numClasses - Number of the network's classes, where they are counted.
 * @throws InputError `INVALID_ARGUMENT`, `SHAPE_MISMATCH`
 */
export function networkFeeds(
  inputs: readonly ValueInfo[],
  sample: Tensor<"float32">,
  timestep: Timestep,
  classLabels: ClassLabels | undefined,
  numClasses: number | undefined,
): Record<string, Tensor> {
  const batch = sample.shape[0] ?? 0
  const labels = labelTensor(classLabels, classInput(inputs, numClasses), batch)
  const feeds: Record<string, Tensor> = labels ? { [networkNames.classLabels]: labels } : {}
  for (const { name, dtype, shape } of inputs) {
    if (name === networkNames.sample) feeds[name] = toDType(sample, dtype)
    else if (name === networkNames.timestep)
      feeds[name] = timestepTensor(timestep, batch, dtype, shape.length)
  }
  return feeds
}

/** What a session takes for the classes of pictures; undefined where it takes nothing. */
export function classInput(
  inputs: readonly ValueInfo[],
  numClasses: number | undefined,
): ClassInput | undefined {
  const input = inputs.find(({ name }) => name === networkNames.classLabels)
  return input && { dtype: input.dtype, shape: input.shape, numClasses }
}

/** Checks that `sample` is [N, channels, H, W]. */
export function checkSample(sample: Tensor, channels: number, size: readonly [number, number]): void {
  const expected = [channels, ...size]
  checkTensor("sample", sample)
  const [batch = 0, ...rest] = sample.shape
  if (batch < 1 || formatShape(rest) !== formatShape(expected)) {
    throw new InputError(
      "SHAPE_MISMATCH",
      `The sample has shape ${formatShape(sample.shape)}, but the model takes [N, ${expected.join(", ")}].`,
    )
  }
}

/** Checks that a cotangent is shaped like the output that it belongs to. */
export function checkCotangent(cotangent: Tensor, output: readonly number[]): void {
  checkTensor("cotangent", cotangent)
  const { shape } = cotangent
  if (formatShape(shape) === formatShape(output)) return
  throw new InputError(
    "SHAPE_MISMATCH",
    `The cotangent has shape ${formatShape(shape)}, but the output has ${formatShape(output)}.`,
  )
}

/** Time steps in the form that the graph declares: a vector or a scalar, floats or integers. */
export function timestepTensor(timestep: Timestep, batch: number, dtype: DType, rank: number): Tensor {
  const given = typeof timestep === "number" ? [timestep] : Array.from(timestep ?? [Number.NaN])
  if (!given.every(Number.isFinite)) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `The timestep is ${describeValue(timestep)}, but must be a number, or one for each picture.`,
    )
  }
  if (given.length !== 1 && given.length !== batch) {
    throw new InputError("SHAPE_MISMATCH", `${given.length} time steps were given for ${batch} samples.`, {
      hint: "Give one for all, or one for each.",
    })
  }
  if (rank === 0 && given.some(t => t !== given[0])) {
    throw new InputError("INVALID_ARGUMENT", "The model takes one time step for the whole batch.")
  }
  const values =
    rank === 0 ? given.slice(0, 1) : Array.from({ length: batch }, (_, i) => given[i] ?? given[0]!)
  const shape = rank === 0 ? [] : [batch]
  if (dtype !== "int64") return toDType({ dtype: "float32", shape, data: Float32Array.from(values) }, dtype)
  const fraction = values.find(value => !Number.isInteger(value))
  if (fraction !== undefined) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `The time step ${fraction} is no integer, but the model counts steps.`,
    )
  }
  return { dtype, shape, data: BigInt64Array.from(values, BigInt) }
}
