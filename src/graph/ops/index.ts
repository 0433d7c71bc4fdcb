import type { OperatorRule } from "../operators.ts"
import { convolutionOperators } from "./convolution.ts"
import { elementwiseOperators } from "./elementwise.ts"
import { matmulOperators } from "./matmul.ts"
import { normalizationOperators } from "./normalization.ts"
import { poolingOperators } from "./pooling.ts"
import { reductionOperators } from "./reduction.ts"
import { resizeOperators } from "./resize.ts"
import { shapeOperators } from "./shape.ts"

const rules: Readonly<Record<string, OperatorRule>> = {
  ...elementwiseOperators,
  ...convolutionOperators,
  ...matmulOperators,
  ...normalizationOperators,
  ...poolingOperators,
  ...reductionOperators,
  ...resizeOperators,
  ...shapeOperators,
}

/** Every standard operator that the builder can use, by its ONNX name: one rule each. */
export const operators: ReadonlyMap<string, OperatorRule> = new Map(Object.entries(rules))
