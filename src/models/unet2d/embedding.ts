import type { Value } from "../../graph/builder.ts"
import { add, log, mul, silu } from "../../graph/ops/elementwise.ts"
import { gather, pad, reshape } from "../../graph/ops/shape.ts"
import { linear } from "../layers.ts"
import { waves } from "../waves.ts"
import type { UNet2DConfig } from "./config.ts"

/** The features of the time step [N] that the embedding starts from: [N, F]. */
export function timeFeatures(timestep: Value, config: UNet2DConfig): Value {
  const { builder } = timestep
  const width = config.blockOutChannels[0]!
  return builder.at("time_proj", () => {
    switch (config.timeEmbeddingType) {
      case "fourier":
        return fourierFeatures(timestep, width)
      case "positional":
        return positionalFeatures(timestep, width, config)
      case "learned":
        return gather(builder.parameter("time_proj.weight", [config.numTrainTimesteps!, width]), timestep)
    }
  })
}

/** sin and cos of 2π·W·ln t with random frequencies W that the checkpoint holds (Tancik et al. 2020): [N, 2·width]. */
function fourierFeatures(timestep: Value, width: number): Value {
  const { builder } = timestep
  const frequencies = reshape(builder.parameter("time_proj.weight", [width]), [1, width])
  const angles = mul(mul(reshape(log(timestep), [timestep.shape[0]!, 1]), frequencies), 2 * Math.PI)
  return waves(angles)
}

/** The transformer's sinusoids (Vaswani et al. 2017) in Diffusers' order and spacing: [N, width]. */
export function positionalFeatures(
  timestep: Value,
  width: number,
  { flipSinToCos, freqShift }: Pick<UNet2DConfig, "flipSinToCos" | "freqShift">,
): Value {
  const { builder } = timestep
  const half = Math.floor(width / 2)
  // Rounded step by step as float32 arithmetic would: at t = 1000 one unit in the last place moves an angle by 6e-5.
  const { fround } = Math
  const frequencies = Float32Array.from({ length: half }, (_, k) =>
    Math.exp(fround(fround(fround(-Math.log(10000)) * k) / (half - freqShift))),
  )
  const angles = mul(
    reshape(timestep, [timestep.shape[0]!, 1]),
    builder.constant("float32", [1, half], frequencies),
  )
  const features = waves(angles, flipSinToCos ? "cos" : "sin")
  return width % 2 === 0 ? features : pad(features, [0, 0], [0, 1])
}

/** The two-layer network `name` that turns features [N, F] into an embedding [N, size]. */
export function embeddingMlp(name: string, features: Value, size: number): Value {
  return features.builder.at(name, () =>
    linear(`${name}.linear_2`, silu(linear(`${name}.linear_1`, features, size)), size),
  )
}

/** The embedding of the class labels, in whichever of Diffusers' forms the configuration asks for: [N, size]. */
export function classEmbedding(labels: Value, size: number, config: UNet2DConfig): Value {
  switch (config.classEmbedType) {
    case "timestep":
      return embeddingMlp("class_embedding", timeFeatures(labels, config), size)
    case "identity":
      return labels
    case null: {
      const { builder } = labels
      const table = builder.parameter("class_embedding.weight", [config.numClassEmbeds!, size])
      return builder.at("class_embedding", () => gather(table, labels))
    }
  }
}

/** Time and class embedding together. */
export function combine(time: Value, classes: Value | undefined): Value {
  return classes ? add(time, classes) : time
}
