import * as v from "valibot"
import { bool, float, int, type Kind, list, nullable, oneOf, string } from "../config/kinds.ts"
import type {
  DataConfig,
  DdpmOptions,
  EvalConfig,
  ModelConfig,
  NcsnOptions,
  NcsnppOptions,
  Ncsnv2Options,
  OptimConfig,
  SamplingConfig,
  TrainingConfig,
} from "./score-sde-config.ts"

/** What each option of a section may hold. */
export type Options<Section> = { readonly [Key in keyof Section]-?: Kind<Section[Key]> }

const training: Options<TrainingConfig> = {
  sde: oneOf(["vesde", "vpsde", "subvpsde"]),
  continuous: bool(),
  batchSize: int({ min: 1 }),
  nIters: int({ min: 1 }),
  snapshotFreq: int({ min: 1 }),
  snapshotFreqForPreemption: int({ min: 1 }),
  snapshotSampling: bool(),
  logFreq: int({ min: 1 }),
  evalFreq: int({ min: 1 }),
  likelihoodWeighting: bool(),
  reduceMean: bool(),
}

const sampling: Options<SamplingConfig> = {
  method: oneOf(["pc", "ode"]),
  predictor: string(),
  corrector: string(),
  snr: float({ above: 0 }),
  nStepsEach: int({ min: 1 }),
  noiseRemoval: bool(),
  probabilityFlow: bool(),
}

const evaluation: Options<EvalConfig> = {
  beginCkpt: int({ min: 0 }),
  endCkpt: int({ min: 0 }),
  batchSize: int({ min: 1 }),
  numSamples: int({ min: 1 }),
  enableSampling: bool(),
  enableLoss: bool(),
  enableBpd: bool(),
  bpdDataset: oneOf(["train", "test"]),
}

const data: Options<DataConfig> = {
  dataset: string(),
  category: nullable(string()),
  imageSize: int({ min: 1, max: 16384 }),
  numChannels: int({ min: 1, max: 1024 }),
  randomFlip: bool(),
  centered: bool(),
  uniformDequantization: bool(),
}

const optim: Options<OptimConfig> = {
  optimizer: oneOf(["Adam"]),
  lr: float({ above: 0 }),
  beta1: float({ min: 0, below: 1 }),
  eps: float({ above: 0 }),
  weightDecay: float({ min: 0 }),
  warmup: int({ min: 0 }),
  gradClip: float(),
}

const anyModel = {
  nf: int({ min: 4, max: 65536 }),
  nonlinearity: oneOf(["elu", "relu", "lrelu", "swish"]),
  scaleBySigma: bool(),
  sigmaMin: float({ above: 0 }),
  sigmaMax: float({ above: 0 }),
  numScales: int({ min: 2, max: 1_000_000 }),
  betaMin: float({ min: 0 }),
  betaMax: float({ min: 0 }),
  emaRate: float({ min: 0, below: 1 }),
} as const

const unet = {
  ...anyModel,
  normalization: oneOf(["GroupNorm"]),
  dropout: float({ min: 0, below: 1 }),
  chMult: list(int({ min: 1, max: 65536 }), { minLength: 1, maxLength: 12 }),
  numResBlocks: int({ min: 1, max: 256 }),
  attnResolutions: list(int({ min: 1 }), { maxLength: 64 }),
  resampWithConv: bool(),
  conditional: bool(),
} as const

const refineNet = {
  ...anyModel,
  interpolation: oneOf(["bilinear", "nearest_neighbor"]),
  convention: oneOf(["jax", "pytorch"]),
} as const

const ncsnpp: Options<NcsnppOptions> = {
  name: oneOf(["ncsnpp"]),
  ...unet,
  fir: bool(),
  skipRescale: bool(),
  resblockType: oneOf(["biggan", "ddpm"]),
  progressive: oneOf(["none", "output_skip", "residual"]),
  progressiveInput: oneOf(["none", "input_skip", "residual"]),
  progressiveCombine: oneOf(["sum", "cat"]),
  embeddingType: oneOf(["fourier", "positional"]),
  initScale: float({ min: 0 }),
  fourierScale: float({ above: 0 }),
}

const ddpm: Options<DdpmOptions> = { name: oneOf(["ddpm"]), ...unet }

const ncsn: Options<NcsnOptions> = {
  name: oneOf(["ncsn"]),
  ...refineNet,
  normalization: oneOf(["InstanceNorm++"]),
}

const ncsnv2: Options<Ncsnv2Options> = {
  name: oneOf(["ncsnv2_64", "ncsnv2_128", "ncsnv2_256"]),
  ...refineNet,
  normalization: oneOf(["InstanceNorm++", "InstanceNorm", "VarianceNorm", "GroupNorm"]),
}

/** The options of each network. */
export const modelOptions: Readonly<Record<ModelConfig["name"], Readonly<Record<string, Kind<unknown>>>>> = {
  ncsnpp,
  ddpm,
  ncsn,
  ncsnv2_64: ncsnv2,
  ncsnv2_128: ncsnv2,
  ncsnv2_256: ncsnv2,
}

/** The options of all sections but `model`. */
export const sectionOptions: Readonly<Record<string, Readonly<Record<string, Kind<unknown>>>>> = {
  training,
  sampling,
  eval: evaluation,
  data,
  optim,
}

export const seedOption: Kind<number> = int({ min: 0 })

/**
 * Options of score_sde that nothing of it reads, or that only concern the place where it runs, by their names in files.
 * A file may have them; where there is a kind, the networks are built with such a value and with no other.
 */
export const unreadOptions: ReadonlyMap<string, Kind<unknown> | undefined> = new Map([
  ["training.n_jitted_steps", undefined],
  ["data.tfrecords_path", undefined],
  ["model.attention_type", undefined],
  ["model.conv_size", undefined],
  ["model.fir_kernel", firKernel()],
  ["model.num_classes", undefined],
  ["model.sigma_begin", undefined],
  ["optim.amsgrad", undefined],
])

function firKernel(): Kind<readonly number[]> {
  const numbers = list(int())
  const schema = v.pipe(
    numbers.schema,
    v.check(taps => taps.join() === "1,3,3,1"),
  )
  return { ...numbers, schema, allowed: "[1, 3, 3, 1]" }
}
