import { WeightsError } from "./errors.ts"
import type { WeightsFile } from "./weights-file.ts"

/** A tensor that has another shape than the model gives it. */
export interface MisshapenTensor {
  readonly name: string
  readonly expected: readonly number[]
  readonly found: readonly number[]
}

/** How a file's tensors compare with a model's parameters, each list in the order of its origin. */
export interface TensorMatch {
  /** Parameters that the file does not hold. */
  readonly missing: readonly string[]
  /** Tensors that the model does not know. */
  readonly unexpected: readonly string[]
  readonly misshapen: readonly MisshapenTensor[]
}

/** Compares the names and shapes of a model's parameters with those of a file. */
export function matchTensors(
  expected: ReadonlyMap<string, readonly number[]>,
  file: Pick<WeightsFile, "tensors">,
): TensorMatch {
  const missing: string[] = []
  const misshapen: MisshapenTensor[] = []
  for (const [name, shape] of expected) {
    const tensor = file.tensors.get(name)
    if (!tensor) missing.push(name)
    else if (!sameShape(shape, tensor.shape)) misshapen.push({ name, expected: shape, found: tensor.shape })
  }
  const unexpected = [...file.tensors.keys()].filter(name => !expected.has(name))
  return { missing, unexpected, misshapen }
}

/**
 * Accepts a match only if every parameter has its tensor. Unlike Diffusers, which fills a missing tensor with random
 * numbers and warns, a missing one is an error: such a model cannot give pictures.
 *
 * @param fileName What errors call the file.
 * @throws WeightsError `TENSOR_MISSING`, `TENSOR_MISSHAPEN`, naming the first tensors.
 */
export function requireMatch(
  fileName: string,
  { missing, misshapen }: TensorMatch,
  hint = "Is this the config.json that belongs to these weights?",
): void {
  if (missing.length > 0) {
    throw new WeightsError("TENSOR_MISSING", `${fileName} lacks ${listed(missing, name => `"${name}"`)}.`, {
      hint,
    })
  }
  if (misshapen.length > 0) {
    const shown = listed(
      misshapen,
      ({ name, expected, found }) => `"${name}" is [${found.join(", ")}], not [${expected.join(", ")}]`,
    )
    throw new WeightsError("TENSOR_MISSHAPEN", `${fileName} has tensors of another shape: ${shown}.`, {
      hint,
    })
  }
}

/**
 * Accepts a match only if the file holds the parameters and nothing else.
 *
 * @param hint What to do about a file that doesn't.
 * @throws WeightsError `TENSOR_MISSING`, `TENSOR_MISSHAPEN`, `TENSOR_UNEXPECTED`, naming the first tensors.
 */
export function requireSame(fileName: string, match: TensorMatch, hint: string): void {
  requireMatch(fileName, match, hint)
  if (match.unexpected.length === 0) return
  const shown = listed(match.unexpected, name => `"${name}"`)
  throw new WeightsError("TENSOR_UNEXPECTED", `${fileName} has tensors that the model doesn't: ${shown}.`, {
    hint,
  })
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis])
}

/** The first few of a list that may be long. */
function listed<T>(items: readonly T[], show: (item: T) => string): string {
  const shown = items.slice(0, 5).map(show).join(", ")
  return items.length > 5 ? `${shown} and ${items.length - 5} more` : shown
}
