import { elementCount, type Tensor } from "../tensor.ts"
import { RuntimeError } from "./errors.ts"
import type { TensorMap } from "./executor.ts"
import type { ValueInfo } from "./session.ts"

/**
 * Checks that `feeds` holds exactly the model's inputs, each with the element type, rank and fixed sizes it declares.
 *
 * @throws RuntimeError `INPUT_MISMATCH`.
 */
export function checkFeeds(inputs: readonly ValueInfo[], feeds: TensorMap): void {
  checkNames("input", inputs, Object.keys(feeds))
  for (const input of inputs) {
    const tensor = feeds[input.name]
    if (!tensor) {
      throw new RuntimeError("INPUT_MISMATCH", `The input "${input.name}", ${format(input)}, is missing.`)
    }
    if (tensor.dtype !== input.dtype || !fits(input.shape, tensor.shape)) {
      throw new RuntimeError(
        "INPUT_MISMATCH",
        `The input "${input.name}" takes ${format(input)}, but ${format(tensor)} was given.`,
      )
    }
    if (tensor.data.length !== elementCount(tensor.shape)) {
      throw new RuntimeError(
        "INPUT_MISMATCH",
        `The input "${input.name}" is ${format(tensor)}, but its data has ${tensor.data.length} elements.`,
      )
    }
  }
}

/**
 * Checks that the model has every one of `names`.
 *
 * @throws RuntimeError `INPUT_MISMATCH`.
 */
export function checkNames(
  kind: "input" | "output",
  values: readonly ValueInfo[],
  names: readonly string[],
): void {
  const unknown = names.find(name => !values.some(value => value.name === name))
  if (unknown !== undefined) {
    const known = values.map(value => `"${value.name}"`).join(", ")
    throw new RuntimeError("INPUT_MISMATCH", `The model has no ${kind} "${unknown}"; it has ${known}.`)
  }
}

// ONNX Runtime gives an undeclared shape as [], like that of a scalar, and checks what can be checked itself.
function fits(declared: ValueInfo["shape"], given: readonly number[]): boolean {
  if (declared.length === 0) return true
  return (
    declared.length === given.length &&
    declared.every((size, axis) => typeof size === "string" || size === given[axis])
  )
}

function format({ dtype, shape }: Pick<ValueInfo, "dtype" | "shape"> | Tensor): string {
  return `${dtype}[${shape.map(size => (size === "" ? "?" : size)).join(", ")}]`
}
