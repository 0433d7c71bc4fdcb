import { describe, expect, it } from "vitest"
import {
  clearCache,
  type DDIMOptions,
  DDIMPipeline,
  DiffusionPipeline,
  isCached,
  NoiseConditionalClassifier,
  type OptionList,
  type OutputType,
  type PipelineOutput,
  ScoreSdeClassConditionalPipeline,
  ScoreSdeInpaintPipeline,
  UNet2DModel,
} from "../../src/index.ts"
import { blackPicture, sharedGaussianPipeline } from "./gaussian-model.ts"
import { temporaryFolder, writeModel } from "./tiny-model.ts"
import { untyped } from "./untyped.ts"

const pipe = await sharedGaussianPipeline()

async function refusal(call: Promise<unknown>): Promise<string> {
  const error = await call.then(() => undefined).catch((cause: unknown) => cause)
  expect(error).toMatchObject({ name: "InputError", code: "INVALID_ARGUMENT" })
  return (error as Error).message
}

describe("an option that there isn't", () => {
  it.each([
    ["steps", "Did you mean numInferenceSteps?"],
    ["num_inference_steps", "Here it is called numInferenceSteps."],
    ["batch_size", "Here it is called batchSize."],
    ["output_type", "Here it is called outputType."],
    ["numInferenceStep", "Did you mean numInferenceSteps?"],
    ["inferenceSteps", "Did you mean numInferenceSteps?"],
    ["num_images_per_prompt", "Did you mean batchSize?"],
    ["ouputType", "Did you mean outputType?"],
    ["progress", "Did you mean onProgress?"],
    ["abortSignal", "Did you mean signal?"],
    ["callback", "Did you mean callbackOnStepEnd?"],
  ])("%s is refused by pipe(), which knows what was meant", async (name, hint) => {
    const message = await refusal(pipe(untyped({ [name]: 50 })))
    expect(message).toBe(
      `pipe() has no option "${name}". ${hint} The type SamplingOptions lists all options.`,
    )
  })

  it("that is like none: all are named", async () => {
    const message = await refusal(pipe(untyped({ prompt: "a cat" })))
    expect(message).toContain(
      'pipe() has no option "prompt". It has batchSize, classLabels, numInferenceSteps, seed,',
    )
    expect(message).toContain("the type SamplingOptions says what they are.")
  })

  it("names of every object's own members are none", async () => {
    for (const name of ["toString", "constructor", "hasOwnProperty"]) {
      expect(await refusal(pipe(untyped({ [name]: 1 })))).toContain(`pipe() has no option "${name}".`)
    }
    expect(await refusal(pipe(JSON.parse('{"__proto__": 1}')))).toContain('no option "__proto__"')
  })

  it.each<[string, (options: never) => Promise<unknown>, string, string]>([
    ["likelihood", options => pipe.likelihood(blackPicture, options), "batch_size", "batchSize"],
    ["encode", options => pipe.encode(blackPicture, options), "rTol", "rtol"],
    ["decode", options => pipe.decode(blackPicture, options), "output_type", "outputType"],
    ["savePretrained", options => pipe.savePretrained("never", options), "ONNX", "onnx"],
    ["fromPretrained", options => DiffusionPipeline.fromPretrained("x", options), "torch_dtype", "dtype"],
    [
      "fromPretrained",
      options => ScoreSdeInpaintPipeline.fromPretrained("x", options),
      "clasifier",
      "classifier",
    ],
    ["fromPretrained", options => UNet2DModel.fromPretrained("x", options), "cache_dir", "cacheDir"],
    [
      "fromPretrained",
      options => NoiseConditionalClassifier.fromPretrained("x", options),
      "image_size",
      "imageSize",
    ],
    ["isCached", options => isCached("x", options), "localFileOnly", "localFilesOnly"],
    ["clearCache", options => clearCache("x/y", options), "cache_dir", "cacheDir"],
    ["forward", options => pipe.unet.forward(blackPicture, 1, options), "labels", "classLabels"],
    ["pipe()", options => new ScoreSdeInpaintPipeline(pipe)(options), "mask_image", "mask"],
    ["pipe()", options => new ScoreSdeClassConditionalPipeline(pipe)(options), "label", "classLabels"],
  ])("%s refuses it too (%#)", async (call, make, name, meant) => {
    const message = await refusal(make(untyped({ [name]: 1 })))
    expect(message).toMatch(new RegExp(`^${call.replace("()", "\\(\\)")} has no option "${name}"\\. `))
    expect(message).toMatch(new RegExp(`(?:Did you mean|Here it is called) ${meant}[?.]`))
  })

  it("is no matter where it is undefined", async () => {
    const { nfe } = await pipe(untyped({ numInferenceSteps: 2, steps: undefined }))
    expect(nfe).toBe(4)
  })
})

it.each([
  [{ batchSize: "3" }, 'batchSize is "3", but must be a number.'],
  [{ snr: "0.1" }, 'snr is "0.1", but must be a number.'],
  [{ denoise: "no" }, 'denoise is "no", but must be true or false.'],
  [{ signal: { aborted: "no" } }, "signal is an object, but must be an AbortSignal."],
  [{ signal: new AbortController() }, "signal is an object, but must be an AbortSignal."],
  [{ onProgress: "loud" }, 'onProgress is "loud", but must be a function.'],
  [{ latents: [[0]] }, "latents is [[0]], but must be a tensor { dtype, shape, data }."],
  [50, "pipe() was given 50, but takes an object with options. The type SamplingOptions lists them."],
  [null, "pipe() was given null, but takes an object with options. The type SamplingOptions lists them."],
])("a value that can't be: %o", async (options, message) => {
  expect(await refusal(pipe(untyped(options)))).toBe(message)
})

it("a subclass has options of its own: it keeps them, or adds them to those of its class", async () => {
  interface BrightOptions<T extends OutputType> extends DDIMOptions<T> {
    readonly brightness?: number
  }
  class Keeping extends DDIMPipeline {
    override async generate<T extends OutputType = "image">({
      brightness = 1,
      ...options
    }: BrightOptions<T> = {}): Promise<PipelineOutput<T>> {
      const output = await super.generate(options)
      return { ...output, nfe: output.nfe * brightness }
    }
  }
  class Adding extends DDIMPipeline {
    static override readonly callOptions: OptionList<BrightOptions<"image">> = {
      type: "BrightOptions",
      options: { ...DDIMPipeline.callOptions.options, brightness: true },
    }
  }
  await using ddim = await temporaryFolder()
  await writeModel(ddim.path, { className: "DDIMPipeline", schedulerClass: "DDIMScheduler" })
  await using keeping = await Keeping.fromPretrained(ddim.path, { worker: false })
  const options = { numInferenceSteps: 2, brightness: 10 }
  expect((await keeping(options)).nfe).toBe(20)
  expect(await refusal(keeping(untyped({ bright: 2 })))).toContain('no option "bright"')
  const adding = new Adding(keeping.components)
  expect((await adding(options)).nfe).toBe(2)
  expect(await refusal(adding(untyped({ bright: 2 })))).toContain(
    "Did you mean brightness? The type BrightOptions",
  )
})
