import { describeValue } from "../describe-value.ts"
import { InputError } from "../errors.ts"
import { checkSameShape } from "../schedulers/checks.ts"
import { checkTensor, type Tensor } from "../tensor.ts"
import type { Update } from "./predictors.ts"

/**
 * What a predictor or a corrector returned, which may be a user's and without types.
 *
 * @param whose - Who returned it, such as "the corrector langevin".
 * @throws InputError `INVALID_ARGUMENT`, `SHAPE_MISMATCH`
 */
export function checkedUpdate(whose: string, update: Update, x: Tensor<"float32">): Update {
  if (typeof update !== "object" || update === null) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `The update that ${whose} returned is ${describeValue(update)}, but must be an object { x, mean }.`,
      {
        hint: "Both are tensors of the sample's shape: the new sample, and the same without its last noise.",
      },
    )
  }
  for (const name of ["x", "mean"] as const) {
    const title = `The ${name} that ${whose} returned`
    checkTensor(title, update[name])
    checkSameShape(title, update[name], "the sample", x)
  }
  return update
}
