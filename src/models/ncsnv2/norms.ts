import type { Value } from "../../graph/builder.ts"
import { add, div, mul, sqrt, sub } from "../../graph/ops/elementwise.ts"
import { instanceNormalization } from "../../graph/ops/normalization.ts"
import { reduceMean } from "../../graph/ops/reduction.ts"
import { gather, reshape, split } from "../../graph/ops/shape.ts"
import { channels, groupNorm } from "../layers.ts"
import type { ModuleNames } from "../module-names.ts"
import type { Ncsnv2ModelConfig } from "./config.ts"

/** Normalises an image [N, C, H, W] with the parameters of the module `name`. */
export type Normalize = (name: string, x: Value) => Value

const epsilon = 1e-5

/** The norm that a configuration names. */
export function normOf({ normalization, convention }: Ncsnv2ModelConfig, names: ModuleNames): Normalize {
  switch (normalization) {
    case "InstanceNorm++":
      return (name, x) => {
        const parameter = parametersOf(names.module(name, "InstanceNorm2dPlus"), x)
        const [alpha, gamma, beta] = [parameter("alpha"), parameter("gamma"), parameter("beta")]
        const shift = mul(
          mul(perChannel(gamma), perChannel(alpha)),
          relativeMeans(x, convention === "pytorch"),
        )
        return add(instanceNormalization(x, gamma, beta, epsilon), shift)
      }
    case "InstanceNorm":
      return (name, x) => {
        const parameter = parametersOf(names.module(name, "InstanceNorm2d"), x)
        return instanceNormalization(x, parameter("weight"), parameter("bias"), epsilon)
      }
    case "VarianceNorm":
      return (name, x) => {
        const weight = parametersOf(names.module(name, "VarianceNorm2d"), x)("weight")
        const centered = sub(x, reduceMean(x, [2, 3]))
        const variance = reduceMean(mul(centered, centered), [2, 3])
        return mul(x, div(perChannel(weight), sqrt(add(variance, epsilon))))
      }
    case "GroupNorm":
      return (name, x) => groupNorm(names.module(name, "GroupNorm"), x, { groups: 32, epsilon: 1e-6 })
  }
}

/**
 * InstanceNorm++ with its parameters in a table by noise level: `name.embed.weight` [levels, 3C].
 *
 * @param level index [N], int64.
 */
export function conditionalNorm(
  level: Value,
  levels: number,
  sampleVariance: boolean,
  names: ModuleNames,
): Normalize {
  return (name, x) => {
    const { builder } = x
    const count = channels(x)
    names.module(name, "ConditionalInstanceNorm2dPlus")
    const embed = names.module(`${name}.embed`, "Embed")
    const rows = gather(builder.parameter(`${embed}.weight`, [levels, 3 * count]), level)
    const [gamma, alpha, beta] = split(rows, 1, [count, count, count]).map(part =>
      reshape(part, [part.shape[0]!, count, 1, 1]),
    ) as [Value, Value, Value]
    const one = builder.constant("float32", [count], new Float32Array(count).fill(1))
    const zero = builder.constant("float32", [count], new Float32Array(count))
    const normalized = instanceNormalization(x, one, zero, epsilon)
    return add(mul(gamma, add(normalized, mul(alpha, relativeMeans(x, sampleVariance)))), beta)
  }
}

// The channels' means, normalised among each other: what InstanceNorm++ gives back of the brightness it removes.
function relativeMeans(x: Value, sampleVariance: boolean): Value {
  const count = channels(x)
  const means = reduceMean(x, [2, 3])
  const centered = sub(means, reduceMean(means, [1]))
  const variance = reduceMean(mul(centered, centered), [1])
  const corrected = sampleVariance ? mul(variance, count / (count - 1)) : variance
  return div(centered, sqrt(add(corrected, epsilon)))
}

function parametersOf(name: string, x: Value): (leaf: string) => Value {
  return leaf => x.builder.parameter(`${name}.${leaf}`, [channels(x)])
}

function perChannel(vector: Value): Value {
  return reshape(vector, [vector.shape[0]!, 1, 1])
}
