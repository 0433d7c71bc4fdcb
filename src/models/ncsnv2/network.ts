import type { Value } from "../../graph/builder.ts"
import { mul, sub } from "../../graph/ops/elementwise.ts"
import { nearestUpsample } from "../../graph/ops/resize.ts"
import { imageSize } from "../layers.ts"
import type { ModuleNames } from "../module-names.ts"
import { dividedPerPicture, sigmaOf } from "../noise-level.ts"
import { nonlinearities } from "../nonlinearities.ts"
import type { PictureConfig } from "../score-network-config.ts"
import { bilinearResize } from "./bilinear.ts"
import { type RefineContext, refineBlock, residualBlock, sameConv, windowPool } from "./blocks.ts"
import type { Ncsnv2Config, Ncsnv2ModelConfig, RefineNetModelConfig } from "./config.ts"
import { type Normalize, normOf } from "./norms.ts"

/**
 * NCSNv2 (Song & Ermon 2020): `x` [N, C, H, W] to the score [N, C, H, W].
 *
 * @param level number of the noise level [N], 0 for the largest; only the division by σ depends on it.
 */
export function ncsnv2(x: Value, level: Value, { model, data }: Ncsnv2Config, names: ModuleNames): Value {
  const output = refineNet(x, model, data, towers[model.name], names, {
    conditional: false,
    normalize: normOf(model, names),
  })
  return model.scaleBySigma ? dividedPerPicture(output, sigmaOf(level, model)) : output
}

/** One level of the network: two residual blocks on the way down, one refinement on the way up. */
export interface RefineLevel {
  /** What its modules are called by: `res1.0` and `refine1`. */
  readonly name: readonly [residual: string, refine: string]
  /** Widths as multiples of `nf`. */
  readonly width: number
  readonly refinedWidth: number | Readonly<Record<RefineNetModelConfig["convention"], number>>
  /** What the first block does to the size: nothing at all, halve it, or dilate the convolutions instead. */
  readonly down?: true
  readonly dilation?: number
}

/** The levels of NCSN and of NCSNv2 for 64 pixels. */
export const smallTower: readonly RefineLevel[] = [
  { name: ["res1", "refine4"], width: 1, refinedWidth: 1 },
  { name: ["res2", "refine3"], width: 2, refinedWidth: { jax: 2, pytorch: 1 }, down: true },
  { name: ["res3", "refine2"], width: 2, refinedWidth: 2, down: true, dilation: 2 },
  { name: ["res4", "refine1"], width: 2, refinedWidth: 2, down: true, dilation: 4 },
]

const deepest: readonly RefineLevel[] = [
  { name: ["res4", "refine2"], width: 4, refinedWidth: 2, down: true, dilation: 2 },
  { name: ["res5", "refine1"], width: 4, refinedWidth: 4, down: true, dilation: 4 },
]

const shallow: readonly RefineLevel[] = [
  { name: ["res1", "refine5"], width: 1, refinedWidth: 1 },
  { name: ["res2", "refine4"], width: 2, refinedWidth: 1, down: true },
  { name: ["res3", "refine3"], width: 2, refinedWidth: 2, down: true },
]

const towers: Readonly<Record<Ncsnv2ModelConfig["name"], readonly RefineLevel[]>> = {
  ncsnv2_64: smallTower,
  ncsnv2_128: [...shallow, ...deepest],
  ncsnv2_256: [
    ...shallow,
    { name: ["res31", "refine31"], width: 2, refinedWidth: 2, down: true },
    ...deepest,
  ],
}

/** The RefineNet that NCSN and NCSNv2 are, without the division by σ. */
export function refineNet(
  x: Value,
  { nf, nonlinearity, interpolation, convention }: RefineNetModelConfig,
  data: PictureConfig,
  tower: readonly RefineLevel[],
  names: ModuleNames,
  style: { readonly conditional: boolean; readonly normalize: Normalize },
): Value {
  const activation = nonlinearities[nonlinearity]
  const context: RefineContext = {
    ...style,
    names,
    activation,
    pool: h => windowPool(h, style.conditional ? "average" : "largest"),
    resize: (h, size) =>
      interpolation === "bilinear" ? bilinearResize(h, size, convention === "pytorch") : repeated(h, size),
  }

  let h = sameConv("begin_conv", data.centered ? x : sub(mul(x, 2), 1), nf, names)
  const states: Value[] = []
  for (const { name, width, down, dilation = 1 } of tower) {
    const [residual] = name
    const out = nf * width
    h = residualBlock(`${residual}.0`, h, context, { out, dilation, resample: down && "down" })
    h = residualBlock(`${residual}.1`, h, context, { out, dilation })
    states.push(h)
  }

  let refined: Value | undefined
  for (const [i, { name, refinedWidth }] of [...tower.entries()].reverse()) {
    const width = typeof refinedWidth === "number" ? refinedWidth : refinedWidth[convention]
    const inputs = refined ? ([states[i]!, refined] as const) : ([states[i]!] as const)
    refined = refineBlock(name[1], inputs, context, { out: nf * width, chains: i === 0 ? 3 : 1 })
  }
  return sameConv("end_conv", activation(style.normalize("normalizer", refined!)), data.numChannels, names)
}

function repeated(x: Value, [height]: readonly [height: number, width: number]): Value {
  const [h] = imageSize(x)
  return h === height ? x : nearestUpsample(x, height / h)
}
