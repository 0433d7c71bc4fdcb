// What callers without types may give: every mistake is an error of this library that names it.
import { expect, it } from "vitest"
import {
  clearCache,
  DDIMPipeline,
  DDIMScheduler,
  DDPMPipeline,
  DDPMScheduler,
  DiffusionPipeline,
  exportScoreSde,
  openRepo,
  ScoreSdeClassConditionalPipeline,
  ScoreSdeError,
  ScoreSdeInpaintPipeline,
  ScoreSdeRestorationPipeline,
  TorchGenerator,
} from "../../src/index.ts"
import { blackPicture, sharedGaussianPipeline } from "./gaussian-model.ts"
import { untyped } from "./untyped.ts"

const pipe = await sharedGaussianPipeline()

const short = { ...blackPicture, data: new Float32Array(3) }
const call =
  (options: object): (() => Promise<unknown>) =>
  () =>
    pipe({ numInferenceSteps: 2, ...options })
const ddim = (options: object) => async () =>
  new DDIMPipeline({ unet: untyped({ forward: () => {} }), scheduler: new DDIMScheduler() })(options)

it.each<[string, () => unknown, string]>([
  [
    "a number as generator",
    call({ generator: 5 }),
    "generator is 5, but must be a generator or a list of them.",
  ],
  ["null as generator", call({ generator: null }), "generator is null"],
  ["a list of numbers", call({ generator: [new TorchGenerator(0), 2] }), "generator is 2"],
  ["half a generator", call({ generator: { randn: () => blackPicture } }), "generator is an object"],
  ["an object as seed", call({ seed: {} }), "The seed an object is not an integer"],
  ["a number as predictor", call({ predictor: 5 }), "The predictor is 5, but must be a name or an object"],
  ["a function as corrector", call({ corrector: () => 5 }), "The corrector is a function, but"],
  [
    "latents whose data are too short",
    call({ latents: short }),
    "latents has the shape [1, 1, 4, 4], but its data has 3",
  ],
  [
    "latents of other data",
    call({ latents: { ...blackPicture, data: new Uint8Array(16) } }),
    "latents is an object, but must be a tensor",
  ],
  [
    "no tensor from a callback",
    call({ callbackOnStepEnd: () => ({ latents: 5 }) }),
    "callbackOnStepEnd's latents is 5",
  ],
  [
    "null from a callback",
    call({ callbackOnStepEnd: () => ({ denoised: null }) }),
    "callbackOnStepEnd's denoised is null",
  ],
  [
    "a short tensor from a callback",
    call({ callbackOnStepEnd: () => ({ denoised: short }) }),
    "its data has 3 elements",
  ],
  [
    "an unknown stepSize",
    call({ sampler: "ode", stepSize: "x" }),
    'stepSize is "x", but must be "batch" or "sample".',
  ],
  [
    "eta without its sampler",
    call({ eta: 0.5 }),
    "eta is a setting of another sampler than the pipeline's own.",
  ],
  [
    "DDIM's own setting for another",
    ddim({ sampler: "heun", useClippedModelOutput: true }),
    "useClippedModelOutput is a setting of the pipeline's own sampler.",
  ],
  ["no pictures", () => pipe.likelihood(untyped(undefined)), "The pictures are undefined."],
  [
    "a path as pictures",
    () => pipe.encode(untyped("face.png")),
    'The pictures are "face.png". Give Image values',
  ],
  [
    "an unknown probe",
    () => pipe.likelihood(blackPicture, { probe: untyped("x") }),
    'probe is "x", but must be "rademacher"',
  ],
  ["no latents", () => pipe.decode(untyped(undefined)), "latents is undefined, but must be a tensor"],
  ["short latents", () => pipe.decode(short), "its data has 3 elements"],
  [
    "no list of graphs",
    () => pipe.savePretrained("never", { onnx: untyped("fp32") }),
    'onnx is "fp32", but must be an array.',
  ],
  [
    "no signal for a move",
    () => pipe.to("cpu", { signal: untyped(5) }),
    "signal is 5, but must be an AbortSignal.",
  ],
  ["no sample", () => pipe.unet.forward(untyped(null), 1), "sample is null, but must be a tensor"],
  [
    "a word as timestep",
    () => pipe.unet.forward(blackPicture, untyped("x")),
    'The timestep is "x", but must be a number',
  ],
  ["no timestep", () => pipe.unet.forward(blackPicture, untyped(undefined)), "The timestep is undefined"],
  [
    "no cotangent",
    () => pipe.unet.vjp(blackPicture, 1, untyped(null)),
    "cotangent is null, but must be a tensor",
  ],
  [
    "no parts",
    () => new DDPMPipeline(untyped(undefined)),
    "A DDPMPipeline needs a UNet2DModel, not undefined.",
  ],
  [
    "a number as network",
    () => new DDPMPipeline(untyped({ unet: 5, scheduler: new DDPMScheduler() })),
    "needs a UNet2DModel, not 5.",
  ],
  [
    "an object as network",
    () => DiffusionPipeline.fromPretrained("models/ncsnpp-emoji-32", { unet: untyped({}) }),
    "needs a UNet2DModel, not an object.",
  ],
  [
    "no classifier",
    () => new ScoreSdeInpaintPipeline(pipe, { classifier: untyped({}) }),
    "classifier is an object, but must be a classifier",
  ],
  [
    "null as components",
    () => new ScoreSdeInpaintPipeline(pipe, untyped(null)),
    "takes an object with options",
  ],
  ["no class", () => new ScoreSdeClassConditionalPipeline(pipe)(untyped({})), "There are no classLabels."],
  [
    "no measurement",
    () => new ScoreSdeRestorationPipeline(pipe)(untyped({})),
    "measurement.data is undefined, but must be a tensor",
  ],
  [
    "half a measurement",
    () => new ScoreSdeRestorationPipeline(pipe)({ measurement: untyped({ data: blackPicture }) }),
    "measurement.known is no function.",
  ],
  [
    "a number as token",
    () => DiffusionPipeline.fromPretrained("a/b", { token: untyped(5) }),
    "token is 5, but must be a string, or false for none.",
  ],
  [
    "an address as model",
    () => openRepo(untyped(new URL("https://huggingface.co/a/b"))),
    "A model can't be loaded from an address: https://huggingface.co/a/b.",
  ],
  ["a number as id", () => clearCache(untyped(5)), '"5" is not the id of a Hub repository.'],
  [
    "no checkpoint",
    () => exportScoreSde(untyped(undefined), "ve/cifar10_ncsnpp_continuous", "never"),
    "The checkpoint is undefined, but must be a path or a file.",
  ],
  [
    "a number as configuration",
    () => exportScoreSde("x", untyped(5), "never"),
    "The configuration is 5, but must be a name or a configuration.",
  ],
])("%s", async (_, mistake, message) => {
  const error = await (async () => mistake())().catch((cause: unknown) => cause)
  expect(error).toBeInstanceOf(ScoreSdeError)
  expect((error as Error).message).toContain(message)
})
