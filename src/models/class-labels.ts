import { describeValue } from "../describe-value.ts"
import { InputError } from "../errors.ts"
import { formatShape } from "../graph/types.ts"
import type { ValueInfo } from "../runtime/session.ts"
import { perSample } from "../schedulers/checks.ts"
import type { Tensor } from "../tensor.ts"
import { toDType } from "./to-dtype.ts"

/**
 * The classes of pictures, from 0: one for all, or one for each of them, also as a tensor [N]. Where the network has
 * `classEmbedType: "timestep"` any numbers; with `"identity"` an embedding for each picture, a tensor [N, E].
 */
export type ClassLabels = number | readonly number[] | Tensor

/** What a network takes for the classes of pictures. */
export interface ClassInput extends Pick<ValueInfo, "dtype" | "shape"> {
  /** Number of its classes, where they are counted. */
  readonly numClasses: number | undefined
}

/** How many pictures there are labels for; one for a label that all share. */
export function labelCount(labels: ClassLabels | undefined): number {
  if (labels === undefined || typeof labels === "number") return 1
  return "dtype" in labels ? (labels.shape[0] ?? 1) : labels.length
}

/**
 * Class labels as a network takes them: [batch], or [batch, E].
 *
 * @param input - Undefined for a network that takes none.
 * @throws InputError `INVALID_ARGUMENT` for a label that is none of the network's classes, for one too many, and for
 *   one that is missing; `SHAPE_MISMATCH`
 */
export function labelTensor(
  labels: ClassLabels | undefined,
  input: ClassInput | undefined,
  batch: number,
): Tensor | undefined {
  if (input === undefined) {
    if (labels === undefined) return undefined
    throw new InputError("INVALID_ARGUMENT", "classLabels were given, but the model takes none.", {
      hint: "It is not class-conditional.",
    })
  }
  const { dtype, shape, numClasses } = input
  if (labels === undefined) {
    throw new InputError(
      "INVALID_ARGUMENT",
      "The model is class-conditional, but no classLabels were given.",
      {
        hint: numClasses === undefined ? "Give them." : `Its classes are 0 to ${numClasses - 1}.`,
      },
    )
  }
  if (shape.length === 2) return embeddings(labels, input, batch)
  const list = perSample("classLabels", typeof labels === "object" ? numbers(labels) : labels, batch)
  if (dtype !== "int64") {
    const odd = list.find(label => !Number.isFinite(label))
    if (odd !== undefined) {
      throw new InputError(
        "INVALID_ARGUMENT",
        `A class label is ${describeValue(odd)}, but must be a number.`,
      )
    }
    return toDType({ dtype: "float32", shape: [batch], data: Float32Array.from(list) }, dtype)
  }
  checkLabels(list, numClasses ?? Number.MAX_SAFE_INTEGER, "the model's")
  return { dtype, shape: [batch], data: BigInt64Array.from(list, BigInt) }
}

/**
 * Checks that labels are classes.
 *
 * @param whose - Whose they must be, such as "the model's".
 * @throws InputError `INVALID_ARGUMENT`
 */
export function checkLabels(labels: readonly number[], numClasses: number, whose: string): void {
  const odd = labels.find(label => !(Number.isInteger(label) && label >= 0 && label < numClasses))
  if (odd === undefined) return
  throw new InputError(
    "INVALID_ARGUMENT",
    `The class label ${describeValue(odd)} is none of ${whose}, which are 0 to ${numClasses - 1}.`,
  )
}

function numbers(labels: readonly number[] | Tensor): readonly number[] {
  if (!("dtype" in labels)) return labels
  const { data } = labels.dtype.endsWith("float16") ? toDType(labels, "float32") : labels
  return Array.from<number | bigint, number>(data, Number)
}

function embeddings(labels: ClassLabels, { dtype, shape }: ClassInput, batch: number): Tensor {
  const wanted = [batch, shape[1]!]
  if (typeof labels === "object" && "dtype" in labels && formatShape(labels.shape) === formatShape(wanted)) {
    return toDType(labels, dtype)
  }
  throw new InputError(
    "SHAPE_MISMATCH",
    `The model takes an embedding for each picture in the place of class labels: a float32 tensor ${formatShape(wanted)}.`,
  )
}
