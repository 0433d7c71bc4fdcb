import { DDIMPipeline } from "./ddim.ts"
import { DDPMPipeline } from "./ddpm.ts"
import type { PipelineClass } from "./diffusion-pipeline.ts"
import { KarrasVePipeline } from "./karras-ve.ts"
import { ScoreSdePipeline } from "./score-sde.ts"
import { ScoreSdeVePipeline } from "./score-sde-ve.ts"
import { ScoreSdeVpPipeline } from "./score-sde-vp.ts"

/** The pipelines by the names that `model_index.json` gives them. */
export const pipelineClasses: ReadonlyMap<string, PipelineClass> = new Map(
  [
    ScoreSdeVePipeline,
    ScoreSdeVpPipeline,
    ScoreSdePipeline,
    DDPMPipeline,
    DDIMPipeline,
    KarrasVePipeline,
  ].map(pipeline => [pipeline.className, pipeline as unknown as PipelineClass]),
)
