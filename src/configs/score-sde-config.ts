import type { DdpmModelConfig } from "../models/ddpm/network.ts"
import type { NcsnModelConfig } from "../models/ncsn/network.ts"
import type { NcsnppModelConfig } from "../models/ncsnpp/config.ts"
import type { Ncsnv2ModelConfig } from "../models/ncsnv2/config.ts"
import type { PictureConfig } from "../models/score-network-config.ts"
import type { CorrectorName } from "../sde/correctors.ts"
import type { PredictorName } from "../sde/predictors.ts"

/** A configuration of score_sde: everything that defines a model, its training and its evaluation. */
export interface ScoreSdeConfig {
  readonly training: TrainingConfig
  readonly sampling: SamplingConfig
  readonly eval: EvalConfig
  readonly data: DataConfig
  readonly model: ModelConfig
  readonly optim: OptimConfig
  readonly seed: number
}

export interface TrainingConfig {
  readonly sde: SdeName
  /** Whether the network was trained on all noise levels in between, and not on `numScales` of them only. */
  readonly continuous: boolean
  readonly batchSize: number
  readonly nIters: number
  /** Steps between checkpoints that are kept, … */
  readonly snapshotFreq: number
  /** … and between those that only serve to go on after an interruption. */
  readonly snapshotFreqForPreemption: number
  /** Whether pictures are drawn with every checkpoint that is kept. */
  readonly snapshotSampling: boolean
  readonly logFreq: number
  readonly evalFreq: number
  /** Whether the loss of each noise level is weighted by g², as the bound on the likelihood wants it. */
  readonly likelihoodWeighting: boolean
  /** Whether the loss of a picture is the mean over its elements, and not half their sum. */
  readonly reduceMean: boolean
}

export type SdeName = "vesde" | "vpsde" | "subvpsde"

export interface SamplingConfig {
  /** The sampler that is taken where none is asked for. */
  readonly method: "pc" | "ode"
  readonly predictor: PredictorName
  readonly corrector: CorrectorName
  /** The corrector's ratio of signal to noise. */
  readonly snr: number
  /** Steps of the corrector at each noise level. */
  readonly nStepsEach: number
  /** Whether the last step adds no noise. */
  readonly noiseRemoval: boolean
  readonly probabilityFlow: boolean
}

export interface EvalConfig {
  /** The first and the last checkpoint that is evaluated. */
  readonly beginCkpt: number
  readonly endCkpt: number
  readonly batchSize: number
  /** Pictures that FID and the inception score are computed from. */
  readonly numSamples: number
  readonly enableSampling: boolean
  readonly enableLoss: boolean
  readonly enableBpd: boolean
  /** The pictures whose likelihood is computed. */
  readonly bpdDataset: "train" | "test"
}

export interface DataConfig extends PictureConfig {
  /** `"CIFAR10"`, `"CELEBA"`, `"LSUN"`, `"CelebAHQ"`, `"FFHQ"`, or whatever the user's own is called. */
  readonly dataset: string
  /** The part of LSUN; null for the others. */
  readonly category: string | null
  readonly randomFlip: boolean
  readonly uniformDequantization: boolean
}

/** The network with its noise, by its name. */
export type ModelConfig = NcsnppOptions | DdpmOptions | Ncsnv2Options | NcsnOptions

export interface TrainedModelConfig {
  /** The rate at which weights are averaged; 0 for no averaging. */
  readonly emaRate: number
  readonly betaMin: number
  readonly betaMax: number
}

export interface NcsnppOptions extends NcsnppModelConfig, TrainedModelConfig {
  readonly normalization: "GroupNorm"
  readonly dropout: number
  /** Scale of the weights of the last layers at the start. */
  readonly initScale: number
  /** Deviation of the random frequencies of Fourier features. */
  readonly fourierScale: number
}

export interface DdpmOptions extends DdpmModelConfig, TrainedModelConfig {
  readonly normalization: "GroupNorm"
  readonly dropout: number
}

export interface Ncsnv2Options extends Ncsnv2ModelConfig, TrainedModelConfig {}

export interface NcsnOptions extends NcsnModelConfig, TrainedModelConfig {
  readonly normalization: "InstanceNorm++"
}

export interface OptimConfig {
  readonly optimizer: "Adam"
  readonly lr: number
  readonly beta1: number
  readonly eps: number
  readonly weightDecay: number
  /** Steps in which the learning rate rises to `lr`. */
  readonly warmup: number
  /** The largest norm of a gradient; negative for no limit. */
  readonly gradClip: number
}

type Section = "training" | "sampling" | "eval" | "data" | "optim"

/** Any of the options of all networks. */
export type AnyModelOptions = Partial<
  Omit<NcsnppOptions, "name" | "normalization"> &
    Omit<Ncsnv2Options, "name" | "normalization"> & {
      readonly name: ModelConfig["name"]
      readonly normalization: ModelConfig["normalization"]
    }
>

/** Options that replace those of another configuration. */
export type ConfigChanges = { readonly [S in Section]?: Partial<ScoreSdeConfig[S]> } & {
  readonly model?: AnyModelOptions
  readonly seed?: number
}
