import { openFile } from "#platform/files"
import { createHasher } from "#platform/hash"
import { abortSignal, callback, checkOptions, flag, list, type OptionList } from "../check-options.ts"
import { DIFFUSERS_VERSION } from "../config/diffusers-version.ts"
import type { JsonObject } from "../config/json.ts"
import { scoreSdeConfig } from "../configs/configs.ts"
import type { ScoreSdeConfigName } from "../configs/names.ts"
import type { ScoreSdeConfig } from "../configs/score-sde-config.ts"
import { describeValue } from "../describe-value.ts"
import { InputError } from "../errors.ts"
import { encodeInline } from "../graph/encode.ts"
import { byteChunks } from "../models/byte-chunks.ts"
import { finiteWeights } from "../models/checkpoint.ts"
import { inferenceGraph, safetensorsChunks } from "../models/conversion.ts"
import { checkDType, type ModelDType } from "../models/network-session.ts"
import { scoreNetwork } from "../models/score-sde/architecture.ts"
import { ScoreNetworkModel } from "../models/score-sde/model.ts"
import { openScoreCheckpoint, type ScoreCheckpoint } from "../models/score-sde/open-checkpoint.ts"
import { type ByteSource, blobSource } from "../platform/byte-source.ts"
import { ScoreSdeScheduler } from "../schedulers/score-sde.ts"
import type { ExportScoreSdeOptions, ScoreSdeOrigin } from "./export-score-sde.ts"
import { type PipelineParts, saveParts } from "./save-pretrained.ts"
import { ScoreSdePipeline } from "./score-sde.ts"
import { scoreSdeCard } from "./score-sde-card.ts"

const exportOptions: OptionList<ExportScoreSdeOptions> = {
  type: "ExportScoreSdeOptions",
  options: { onnx: list, signal: abortSignal, onFile: callback, rawWeights: flag },
}

/** What {@link exportScoreSde} does. */
export async function writeScoreSdeFolder(
  checkpoint: string | File,
  given: ScoreSdeConfigName | ScoreSdeConfig,
  directory: string,
  settings: ExportScoreSdeOptions,
): Promise<ScoreSdeOrigin> {
  checkOptions("exportScoreSde", settings, exportOptions)
  const { rawWeights, onnx = ["fp32"], ...options } = settings
  const { signal } = options
  for (const dtype of onnx) checkDType(dtype)
  if (typeof checkpoint !== "string" && !(checkpoint instanceof Blob)) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `The checkpoint is ${describeValue(checkpoint)}, but must be a path or a file.`,
    )
  }
  if (typeof given !== "string" && !given?.data) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `The configuration is ${describeValue(given)}, but must be a name or a configuration.`,
      {
        hint: "scoreSdeConfigNames lists the names.",
      },
    )
  }
  const config = typeof given === "string" ? scoreSdeConfig(given) : given
  const source =
    typeof checkpoint === "string" ? await openFile(checkpoint) : blobSource(checkpoint.name, checkpoint)
  const opened = await openScoreCheckpoint(source, config, { rawWeights, signal })
  try {
    const origin: ScoreSdeOrigin = {
      checkpoint: source.name.replace(/^.*[/\\]/, ""),
      sha256: await sha256Of(source, signal),
      framework: opened.framework,
      config: typeof given === "string" ? given : null,
      step: opened.step ?? null,
      weights: opened.averaged === undefined ? null : opened.averaged ? "ema" : "raw",
    }
    const parts = await partsOf(config, opened, origin)
    await saveParts(parts, directory, DIFFUSERS_VERSION, { onnx, ...options })
    return origin
  } finally {
    await opened.weights.close()
  }
}

async function sha256Of(source: ByteSource, signal: AbortSignal | undefined): Promise<string> {
  const hasher = createHasher("sha256")
  for await (const piece of byteChunks(source, signal)) hasher.update(piece)
  return hasher.hex()
}

async function partsOf(
  config: ScoreSdeConfig,
  { weights }: ScoreCheckpoint,
  origin: ScoreSdeOrigin,
): Promise<PipelineParts> {
  const build = await scoreNetwork.loadGraph()
  const size = scoreNetwork.pictureSize(config, undefined)
  const scheduler = ScoreSdeScheduler.fromScoreSde(config)
  return {
    pipelineClass: ScoreSdePipeline,
    schedulerClass: ScoreSdeScheduler,
    networkClass: ScoreNetworkModel,
    scheduler,
    unet: {
      dtype: "fp32",
      configText: () => scoreNetwork.formatConfig(config),
      safetensors: async signal => safetensorsChunks(build(config, size), weights, "fp32", signal),
      onnx: async (dtype: ModelDType = "fp32", signal) =>
        encodeInline(inferenceGraph(build, config, size, dtype), finiteWeights(weights, signal), signal),
    },
    scalars: { score_sde: originJson(origin) },
    card: scoreSdeCard(config, scheduler, origin),
  }
}

function originJson({ step, ...origin }: ScoreSdeOrigin): JsonObject {
  return { ...origin, step: step === null ? null : BigInt(step) }
}
