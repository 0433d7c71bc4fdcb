import { convolutionGradients } from "./convolution.ts"
import { elementwiseGradients } from "./elementwise.ts"
import { matmulGradients } from "./matmul.ts"
import { normalizationGradients } from "./normalization.ts"
import { poolingGradients } from "./pooling.ts"
import { reductionGradients } from "./reduction.ts"
import { resizeGradients } from "./resize.ts"
import type { GradientRule } from "./rule.ts"
import { shapeGradients } from "./shape.ts"

const rules: Readonly<Record<string, GradientRule>> = {
  ...elementwiseGradients,
  ...convolutionGradients,
  ...matmulGradients,
  ...normalizationGradients,
  ...poolingGradients,
  ...reductionGradients,
  ...resizeGradients,
  ...shapeGradients,
}

/** How every standard operator that the builder can use is differentiated, by its ONNX name: one rule each. */
export const gradientRules: ReadonlyMap<string, GradientRule> = new Map(Object.entries(rules))
