import type { Value } from "../../graph/builder.ts"
import { conv } from "../../graph/ops/convolution.ts"
import { add } from "../../graph/ops/elementwise.ts"
import { averagePool } from "../../graph/ops/pooling.ts"
import { channels, imageSize } from "../layers.ts"
import type { ModuleNames } from "../module-names.ts"
import type { Normalize } from "./norms.ts"

/** What all blocks of one RefineNet share. */
export interface RefineContext {
  readonly names: ModuleNames
  readonly activation: (x: Value) => Value
  readonly normalize: Normalize
  /** Whether the network is NCSN, whose refinement blocks normalise too and are called otherwise. */
  readonly conditional: boolean
  /** Takes an average or the largest of every 5×5 window. */
  readonly pool: (x: Value) => Value
  /** Brings an image to another size. */
  readonly resize: (x: Value, size: readonly [height: number, width: number]) => Value
}

interface ConvOptions {
  readonly kernel?: 1 | 3
  readonly dilation?: number
  readonly bias?: boolean
}

/** A convolution that keeps the size of the image. */
export function sameConv(
  name: string,
  x: Value,
  out: number,
  names: ModuleNames,
  { kernel = 3, dilation = 1, bias = true }: ConvOptions = {},
): Value {
  const { builder } = x
  names.module(name, "Conv")
  return builder.at(name, () => {
    const weight = builder.parameter(`${name}.weight`, [out, channels(x), kernel, kernel])
    const offset = bias ? builder.parameter(`${name}.bias`, [out]) : undefined
    return conv(x, weight, offset, { dilation, padding: (dilation * (kernel - 1)) / 2 })
  })
}

export interface ResidualOptions {
  readonly out: number
  /** `"down"` puts a convolution on the shortcut, and halves the image where nothing is dilated. */
  readonly resample?: "down" | undefined
  readonly dilation: number
}

/** Norm, activation, convolution, twice, plus the shortcut. */
export function residualBlock(
  name: string,
  x: Value,
  context: RefineContext,
  options: ResidualOptions,
): Value {
  const { names, activation, normalize, conditional } = context
  const { out, resample, dilation } = options
  names.module(name, conditional ? "ConditionalResidualBlock" : "ResidualBlock")
  const inner = resample === "down" ? channels(x) : out
  const h = sameConv(`${name}.conv1`, activation(normalize(`${name}.normalize1`, x)), inner, names, {
    dilation,
  })
  const activated = activation(normalize(`${name}.normalize2`, h))
  if (resample === "down" && dilation === 1) {
    const residue = averagePool(pooledConv(`${name}.conv2`, activated, 3), 2)
    // The mean of a 1×1 convolution is the convolution of the mean.
    return add(residue, pooledConv(`${name}.shortcut`, averagePool(x, 2), 1))
  }
  const residue = sameConv(`${name}.conv2`, activated, out, names, { dilation })
  return add(residue, resample === "down" ? sameConv(`${name}.shortcut`, x, out, names, { dilation }) : x)

  function pooledConv(part: string, input: Value, kernel: 1 | 3): Value {
    names.module(part, "ConvMeanPool")
    return sameConv(`${part}.conv`, input, out, names, { kernel })
  }
}

export interface RefineOptions {
  readonly out: number
  /** Chains of convolutions at the end. */
  readonly chains: number
}

/**
 * RefineNet's block (Lin et al. 2017): adapts its inputs, joins them at the size of the first, gathers context from
 * larger and larger surroundings, and finishes with `chains` of convolutions.
 */
export function refineBlock(
  name: string,
  inputs: readonly [Value, ...Value[]],
  context: RefineContext,
  { out, chains }: RefineOptions,
): Value {
  context.names.module(name, `${context.conditional ? "Cond" : ""}RefineBlock`)
  const adapted = inputs.map((x, i) => convChains(`${name}.adapt_convs.${i}`, x, 2, context))
  const fused = adapted.length > 1 ? fusion(`${name}.msf`, adapted, out, context) : adapted[0]!
  return convChains(`${name}.output_convs`, residualPooling(`${name}.crp`, fused, context), chains, context)
}

/** RCU: chains of two activated convolutions, each with a shortcut around it. */
function convChains(name: string, x: Value, chains: number, context: RefineContext): Value {
  const { names, activation } = context
  names.module(name, kindOf("RCUBlock", context))
  let h = x
  for (let i = 1; i <= chains; i++) {
    let path = h
    for (let j = 1; j <= 2; j++) {
      const input = activation(refineNorm(`${name}.${i}_${j}_norm`, path, context))
      path = sameConv(`${name}.${i}_${j}_conv`, input, channels(x), names, { bias: false })
    }
    h = add(path, h)
  }
  return h
}

/** MSF: the sum of all inputs behind a convolution each, at the size of the first. */
function fusion(name: string, inputs: readonly Value[], out: number, context: RefineContext): Value {
  const { names, resize } = context
  names.module(name, kindOf("MSFBlock", context))
  const size = imageSize(inputs[0]!)
  return inputs
    .map((x, i) =>
      resize(sameConv(`${name}.convs.${i}`, refineNorm(`${name}.norms.${i}`, x, context), out, names), size),
    )
    .reduce(add)
}

/** CRP: adds pooled and convolved copies of the image, each made from the one before. */
function residualPooling(name: string, x: Value, context: RefineContext): Value {
  const { names, activation, pool } = context
  names.module(name, kindOf("CRPBlock", context))
  let sum = activation(x)
  let path = sum
  for (let i = 0; i < 2; i++) {
    const pooled = pool(refineNorm(`${name}.norms.${i}`, path, context))
    path = sameConv(`${name}.convs.${i}`, pooled, channels(x), names, { bias: false })
    sum = add(path, sum)
  }
  return sum
}

function kindOf(kind: string, { conditional }: RefineContext): string {
  return conditional ? `Cond${kind}` : kind
}

function refineNorm(name: string, x: Value, { conditional, normalize }: RefineContext): Value {
  return conditional ? normalize(name, x) : x
}

/** The average or the largest of the 5×5 pixels around each; zeros outside count in averages. */
export function windowPool(x: Value, kind: "average" | "largest"): Value {
  const window = {
    kernel_shape: { kind: "ints", value: [5, 5] },
    strides: { kind: "ints", value: [1, 1] },
    pads: { kind: "ints", value: [2, 2, 2, 2] },
    ceil_mode: { kind: "int", value: 0 },
  } as const
  if (kind === "largest") {
    const options = {
      dilations: { kind: "ints", value: [1, 1] },
      storage_order: { kind: "int", value: 0 },
    } as const
    return x.builder.apply("MaxPool", [x], { ...window, ...options })[0]!
  }
  return x.builder.apply("AveragePool", [x], { ...window, count_include_pad: { kind: "int", value: 1 } })[0]!
}
