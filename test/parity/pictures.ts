import { strictEqual } from "node:assert/strict"
import { DDIMPipeline } from "../../src/pipelines/ddim.ts"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import type { StepState } from "../../src/pipelines/options.ts"
import { ScoreSdeVpPipeline } from "../../src/pipelines/score-sde-vp.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { DDIMScheduler } from "../../src/schedulers/ddim.ts"
import { ScoreSdeVpScheduler } from "../../src/schedulers/score-sde-vp.ts"
import { atMost, type Check, type Finding } from "./check.ts"
import { relativeDifference, shareOfWrongPixels } from "./differences.ts"
import { type Picture, type Reference, readArray, readReference } from "./references.ts"

/** Share of pixels that may be more than one grey level off. */
const pictureLimit = 1e-3

/** Of the largest value, before the clamp: where a picture is all black and white, the grey levels say little. */
const rawLimit = 1e-3

/** Compares whole pictures of one model, from the same seed, with those of Diffusers' pipelines. */
export function pictureCheck(model: string, full: boolean): Check {
  return {
    name: `picture ${model}`,
    async *run() {
      const reference = await readReference(model)
      const pictures = reference.pictures.filter(({ level }) => full || level === "quick")
      if (pictures.length === 0) return
      await using loaded = await DiffusionPipeline.fromPretrained(reference.path, { device: "cpu" })
      for (const picture of pictures) yield* compare(asPipeline(loaded, picture.pipeline), picture, reference)
    },
  }
}

async function* compare(
  pipe: DiffusionPipeline,
  picture: Picture,
  reference: Reference,
): AsyncGenerator<Finding> {
  const { num_inference_steps, batch_size, eta, use_clipped_model_output } = picture.arguments
  let last: StepState | undefined
  const { images, nfe } = await pipe({
    numInferenceSteps: num_inference_steps,
    batchSize: batch_size,
    generator: generators(picture),
    callbackOnStepEnd: (_pipe, _step, _timestep, state) => {
      last = state
    },
    ...(eta !== undefined && { eta }),
    ...(use_clipped_model_output !== undefined && { useClippedModelOutput: use_clipped_model_output }),
  })
  strictEqual(nfe, picture.networkEvaluations, "the number of evaluations of the network differs")

  const what = describe(picture)
  const share = shareOfWrongPixels(images, await readArray(reference, picture.images))
  yield atMost(what, share, pictureLimit, value => `${+(100 * value).toFixed(3)} % of pixels`)
  // The SDE samplers end with the mean of the last step, without its noise.
  const raw = picture.pipeline.startsWith("ScoreSde") ? last!.denoised : last!.latents
  yield atMost(
    `${what}, before the clamp`,
    relativeDifference(raw, await readArray(reference, picture.raw)),
    rawLimit,
  )
}

/** The pipeline that makes the picture, around the network that has been loaded. */
function asPipeline(loaded: DiffusionPipeline, className: string): DiffusionPipeline {
  const { unet, scheduler } = loaded.components
  switch (className) {
    case "DDIMPipeline":
      return new DDIMPipeline({ unet, scheduler: DDIMScheduler.fromConfig(scheduler.config) })
    case "ScoreSdeVpPipeline":
      return new ScoreSdeVpPipeline({ unet, scheduler: new ScoreSdeVpScheduler() })
    default:
      strictEqual((loaded.constructor as unknown as typeof DDIMPipeline).className, className)
      return loaded
  }
}

function generators({ seed, seeds }: Picture): TorchGenerator | TorchGenerator[] {
  return seeds ? seeds.map(each => new TorchGenerator(each)) : new TorchGenerator(seed!)
}

function describe({ pipeline, arguments: given, seed, seeds }: Picture): string {
  const parts = [
    pipeline.replace("Pipeline", ""),
    `${given.num_inference_steps} steps`,
    given.batch_size > 1 && `batch ${given.batch_size}`,
    given.eta !== undefined && `eta ${given.eta}`,
    seeds ? `seeds ${seeds.join(" ")}` : `seed ${seed}`,
  ]
  return parts.filter(Boolean).join(", ")
}
