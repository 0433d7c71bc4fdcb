export { ArrayFileError } from "./arrays/errors.ts"
export { readNpy, writeNpy } from "./arrays/npy.ts"
export { readNpz, writeNpz } from "./arrays/npz.ts"
export type { OptionList } from "./check-options.ts"
export { ConfigError } from "./config/errors.ts"
export type { WarningHandler } from "./config/warnings.ts"
export {
  formatScoreSdeConfig,
  readScoreSdeConfig,
  scoreSdeConfig,
  scoreSdeConfigNames,
} from "./configs/configs.ts"
export type { ScoreSdeConfigName } from "./configs/names.ts"
export { type PublishedResults, publishedResults } from "./configs/published-results.ts"
export type { ConfigChanges, ScoreSdeConfig } from "./configs/score-sde-config.ts"
export { type UpstreamFault, upstreamFaults } from "./configs/upstream-faults.ts"
export { AbortError, InputError, ScoreSdeError } from "./errors.ts"
export { GraphError } from "./graph/errors.ts"
export type { ChosenFolder } from "./hub/chosen-folder.ts"
export { type ClearCacheOptions, type ClearedCache, clearCache } from "./hub/clear-cache.ts"
export { HubError, type HubErrorCode } from "./hub/errors.ts"
export { type ModelLocation, openRepo } from "./hub/open-repo.ts"
export type { HubOptions } from "./hub/options.ts"
export type { DownloadEvent } from "./hub/progress.ts"
export { denoisingStrip } from "./image/denoising-strip.ts"
export { ImageError } from "./image/errors.ts"
export { makeGrid } from "./image/grid.ts"
export { Image, type ImageEncodeOptions, type ImageReadOptions } from "./image/image.ts"
export type { ImageChannels, ImageType, Pixels } from "./image/pixels.ts"
export type { ClassLabels } from "./models/class-labels.ts"
export type { Timestep } from "./models/feeds.ts"
export { type ForwardOptions, type ModelOptions, NetworkModel } from "./models/network-model.ts"
export type { ModelDType } from "./models/network-session.ts"
export { ScoreNetworkModel } from "./models/score-sde/model.ts"
export type { UNet2DConfig } from "./models/unet2d/config.ts"
export { UNet2DModel } from "./models/unet2d/model.ts"
export {
  type ClassifierOptions,
  NoiseConditionalClassifier,
  type NoisyClassifier,
} from "./models/wideresnet/classifier.ts"
export type { WideResnetConfig } from "./models/wideresnet/network.ts"
export {
  type ClassConditionalOptions,
  ScoreSdeClassConditionalPipeline,
} from "./pipelines/class-conditional.ts"
export { type ColorizationOptions, ScoreSdeColorizationPipeline } from "./pipelines/colorization.ts"
export type {
  ConditionalComponents,
  ConditionalPipeline,
  GuidanceSettings,
  RestorationSettings,
} from "./pipelines/conditional-pipeline.ts"
export { type DDIMOptions, DDIMPipeline } from "./pipelines/ddim.ts"
export { DDPMPipeline } from "./pipelines/ddpm.ts"
export {
  DiffusionPipeline,
  type PipelineComponents,
  type PipelineOptions,
} from "./pipelines/diffusion-pipeline.ts"
export { PipelineError } from "./pipelines/errors.ts"
export {
  type ExportScoreSdeOptions,
  exportScoreSde,
  type ScoreSdeOrigin,
} from "./pipelines/export-score-sde.ts"
export type {
  DecodeOptions,
  EncodedPictures,
  FlowOptions,
  PictureLikelihoodOptions,
} from "./pipelines/flow-operations.ts"
export { type InpaintOptions, ScoreSdeInpaintPipeline } from "./pipelines/inpaint.ts"
export { isCached } from "./pipelines/is-cached.ts"
export { KarrasVePipeline } from "./pipelines/karras-ve.ts"
export type {
  OutputType,
  PipelineOutput,
  SamplingOptions,
  SamplingProgress,
  StepCallback,
  StepState,
} from "./pipelines/options.ts"
export type { PictureInput } from "./pipelines/picture-input.ts"
export type { PictureSource } from "./pipelines/picture-source.ts"
export { type RestorationOptions, ScoreSdeRestorationPipeline } from "./pipelines/restoration.ts"
export type { SamplerName, SamplerSettings, ScheduleName } from "./pipelines/sampler-settings.ts"
export type { SaveOptions } from "./pipelines/save-pretrained.ts"
export type { ScoreModel, ScoreModelOptions } from "./pipelines/score-model.ts"
export { ScoreSdePipeline } from "./pipelines/score-sde.ts"
export { ScoreSdeVePipeline } from "./pipelines/score-sde-ve.ts"
export { ScoreSdeVpPipeline } from "./pipelines/score-sde-vp.ts"
export { ScoreSdeUpscalePipeline, type UpscaleOptions } from "./pipelines/upscale.ts"
export { FileError } from "./platform/file-error.ts"
export type { ChosenFile, FolderHandle } from "./platform/folder-handle.ts"
export type { WasmPaths } from "./platform/ort-module.ts"
export { RandomError } from "./random/errors.ts"
export type { RandomGenerator } from "./random/generator.ts"
export { PhiloxGenerator } from "./random/philox-generator.ts"
export { type GeneratorInput, type GeneratorKind, randnTensor } from "./random/randn-tensor.ts"
export type { Seed } from "./random/seed.ts"
export { TorchGenerator } from "./random/torch-generator.ts"
export { availableDevices } from "./runtime/available-devices.ts"
export type { Device, DeviceAttempt, ResolvedDevice } from "./runtime/device.ts"
export { RuntimeError, type RuntimeErrorCode } from "./runtime/errors.ts"
export { type DDIMConfig, DDIMScheduler, type DDIMStepOptions } from "./schedulers/ddim.ts"
export { type DDPMConfig, DDPMScheduler } from "./schedulers/ddpm.ts"
export { type KarrasVeConfig, KarrasVeScheduler } from "./schedulers/karras-ve.ts"
export type { LinearStep } from "./schedulers/linear-step.ts"
export type { NoiseOptions } from "./schedulers/noise.ts"
export { ScoreSdeScheduler, type ScoreSdeSchedulerConfig } from "./schedulers/score-sde.ts"
export { type ScoreSdeVeConfig, ScoreSdeVeScheduler, type SdeStep } from "./schedulers/score-sde-ve.ts"
export { type ScoreSdeVpConfig, ScoreSdeVpScheduler } from "./schedulers/score-sde-vp.ts"
export {
  type Corrector,
  type CorrectorContext,
  type CorrectorName,
  registerCorrector,
} from "./sde/correctors.ts"
export { type DdimOptions, ddimSampler } from "./sde/ddim.ts"
export { type Denoiser, denoiserFromScore } from "./sde/denoiser.ts"
export type { DenoiserSamplerOptions } from "./sde/denoiser-run.ts"
export { dequantize } from "./sde/dequantization.ts"
export { divergenceByDifferences, type ScoreDivergence } from "./sde/divergence.ts"
export { type Dpmpp2mSdeOptions, dpmpp2mSampler, dpmpp2mSdeSampler } from "./sde/dpm-solver.ts"
export { SdeError } from "./sde/errors.ts"
export { type ClassifierGradient, type GuidanceOptions, guidedScore } from "./sde/guidance.ts"
export { type HeunOptions, heunSampler } from "./sde/heun.ts"
export { interpolateLatents, lerp, slerp } from "./sde/latents.ts"
export { type Likelihood, type LikelihoodOptions, likelihood } from "./sde/likelihood.ts"
export type { LinearBetaOptions } from "./sde/linear-beta-sde.ts"
export {
  averagePooling,
  type CompatMeasurement,
  colorization,
  inpainting,
  linearMeasurement,
  type Measurement,
} from "./sde/measurements.ts"
export {
  type Network,
  type NetworkVjp,
  scoreDivergence,
  scoreFunction,
} from "./sde/network-score.ts"
export {
  edmSchedule,
  edmSigmas,
  type NoiseSchedule,
  veSchedule,
  veSigmas,
  vpSchedule,
  vpSigmas,
} from "./sde/noise-schedules.ts"
export {
  type OdeEncoderOptions,
  type OdeSamplerOptions,
  odeEncoder,
  odeSampler,
} from "./sde/ode-sampler.ts"
export { type PcSamplerOptions, type PcSettings, pcSampler } from "./sde/pc-sampler.ts"
export {
  type Predictor,
  type PredictorContext,
  type PredictorName,
  registerPredictor,
  type Update,
} from "./sde/predictors.ts"
export { type ProjectedSamplerOptions, projectedSampler } from "./sde/projected-sampler.ts"
export type { SamplerOptions, SamplerState, Samples } from "./sde/sampler-run.ts"
export {
  type Conditioning,
  type Discretization,
  type DriftAndDiffusion,
  type Gaussian,
  type ScoreFunction,
  SDE,
} from "./sde/sde.ts"
export { type StochasticHeunOptions, stochasticHeunSampler } from "./sde/stochastic-heun.ts"
export { SubVPSDE } from "./sde/sub-vp-sde.ts"
export { VESDE, type VESDEOptions } from "./sde/ve-sde.ts"
export { VPSDE } from "./sde/vp-sde.ts"
export { type DType, type Tensor, tensor } from "./tensor.ts"
export { WeightsError } from "./weights/errors.ts"
