import { publishedResults } from "../configs/published-results.ts"
import type { ScoreSdeConfig } from "../configs/score-sde-config.ts"
import type { ScoreSdeScheduler } from "../schedulers/score-sde.ts"
import type { ScoreSdeOrigin } from "./export-score-sde.ts"

/** The README.md of a model that was made from a checkpoint of score_sde: a model card of the Hub. */
export function scoreSdeCard(
  { data, model }: ScoreSdeConfig,
  { config: sampler }: ScoreSdeScheduler,
  origin: ScoreSdeOrigin,
): string {
  const title = origin.config ?? `${model.name} for ${data.dataset}`
  return `---
library_name: score-sde
pipeline_tag: unconditional-image-generation
tags:
- score-based
- ${sampler.sde}
- ${model.name}
---

# ${title}

A score-based model of [score_sde](https://github.com/yang-song/score_sde): the network \`${model.name}\` for ${noise(sampler)}, trained on ${dataName(data)} with ${data.imageSize} × ${data.imageSize} pixels.

\`\`\`ts
import { DiffusionPipeline } from "score-sde"

const pipe = await DiffusionPipeline.fromPretrained("path/to/this/folder")
const { images } = await pipe({ seed: 0 })
await images[0].save("picture.png")
\`\`\`

It samples by default with ${samplerText(sampler)}.

## Origin

| | |
|---|---|
${originRows(origin).join("\n")}
${resultsText(origin)}`
}

type Sampler = ScoreSdeScheduler["config"]

function noise({
  sde,
  sigmaMin,
  sigmaMax,
  betaMin,
  betaMax,
  continuous,
  numTrainTimesteps,
}: Sampler): string {
  const name = { vesde: "the VE SDE", vpsde: "the VP SDE", subvpsde: "the sub-VP SDE" }[sde]
  const range = sde === "vesde" ? `σ from ${sigmaMin} to ${sigmaMax}` : `β from ${betaMin} to ${betaMax}`
  return `${name} (${range}, ${continuous ? "continuous" : `${numTrainTimesteps} noise levels`})`
}

function dataName({ dataset, category }: ScoreSdeConfig["data"]): string {
  return category === null ? dataset : `${dataset} ${category}`
}

function samplerText(sampler: Sampler): string {
  const { method, predictor, corrector, snr, nStepsEach, numTrainTimesteps } = sampler
  if (method === "ode") return "the probability-flow ODE"
  const parts = [`${numTrainTimesteps} steps of the predictor \`${predictor}\``]
  if (corrector !== "none")
    parts.push(`${nStepsEach} of the corrector \`${corrector}\` (snr ${snr}) before each`)
  return parts.join(", ")
}

function originRows({ checkpoint, sha256, framework, config, step, weights }: ScoreSdeOrigin): string[] {
  const kinds = { ema: "running average of the training (EMA)", raw: "as last trained" } as const
  return [
    `| checkpoint | \`${checkpoint.replace(/[`|\r\n]/g, "_")}\` (${framework === "flax" ? "JAX" : "PyTorch"}) |`,
    `| SHA-256 | \`${sha256}\` |`,
    `| configuration | ${config === null ? "its own" : `\`${config}\``} |`,
    `| training steps | ${step ?? "not told"} |`,
    `| weights | ${weights === null ? "not told" : kinds[weights]} |`,
  ]
}

function resultsText({ config }: ScoreSdeOrigin): string {
  const lines = publishedLines(config)
  if (lines.length === 0) return ""
  return `
## Published results

What Song et al. (2021) report for this configuration and their checkpoints; it was not measured on this file.

${lines.map(line => `- ${line}`).join("\n")}
`
}

/** What was published about a configuration, a line for each number. */
export function publishedLines(config: ScoreSdeOrigin["config"]): string[] {
  const { fid, inceptionScore, fidOde, bitsPerDim } = (config !== null && publishedResults[config]) || {}
  return [
    fid !== undefined && `FID ${fid}`,
    inceptionScore !== undefined && `inception score ${inceptionScore}`,
    fidOde !== undefined && `FID ${fidOde} by the probability-flow ODE`,
    bitsPerDim !== undefined && `${bitsPerDim} bits/dim on the test pictures`,
  ].filter(line => line !== false)
}
