export { ArrayFileError } from "./arrays/errors.ts"
export { readNpy, writeNpy } from "./arrays/npy.ts"
export { readNpz, writeNpz } from "./arrays/npz.ts"
export { ConfigError } from "./config/errors.ts"
export type { WarningHandler } from "./config/warnings.ts"
export { AbortError, InputError, ScoreSdeError } from "./errors.ts"
export { GraphError } from "./graph/errors.ts"
export type { ChosenFolder } from "./hub/chosen-folder.ts"
export { HubError, type HubErrorCode } from "./hub/errors.ts"
export { type ModelLocation, openRepo } from "./hub/open-repo.ts"
export type { HubOptions } from "./hub/options.ts"
export type { DownloadEvent } from "./hub/progress.ts"
export { denoisingStrip } from "./image/denoising-strip.ts"
export { ImageError } from "./image/errors.ts"
export { makeGrid } from "./image/grid.ts"
export { Image, type ImageEncodeOptions, type ImageReadOptions } from "./image/image.ts"
export type { ImageChannels, ImageType, Pixels } from "./image/pixels.ts"
export type { UNet2DConfig } from "./models/unet2d/config.ts"
export type { Timestep } from "./models/unet2d/feeds.ts"
export type { ModelDType } from "./models/unet2d/load.ts"
export { type ForwardOptions, type ModelOptions, UNet2DModel } from "./models/unet2d/model.ts"
export { type DDIMOptions, DDIMPipeline } from "./pipelines/ddim.ts"
export { DDPMPipeline } from "./pipelines/ddpm.ts"
export {
  DiffusionPipeline,
  type PipelineComponents,
  type PipelineOptions,
} from "./pipelines/diffusion-pipeline.ts"
export { PipelineError } from "./pipelines/errors.ts"
export type {
  OutputType,
  PipelineOutput,
  SamplingOptions,
  SamplingProgress,
  StepCallback,
  StepState,
} from "./pipelines/options.ts"
export type { SaveOptions } from "./pipelines/save-pretrained.ts"
export type { ScoreModel, ScoreModelOptions } from "./pipelines/score-model.ts"
export { ScoreSdeVePipeline } from "./pipelines/score-sde-ve.ts"
export { ScoreSdeVpPipeline } from "./pipelines/score-sde-vp.ts"
export { FileError } from "./platform/file-error.ts"
export type { ChosenFile, FolderHandle } from "./platform/folder-handle.ts"
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
export type { NoiseOptions } from "./schedulers/noise.ts"
export { type ScoreSdeVeConfig, ScoreSdeVeScheduler, type SdeStep } from "./schedulers/score-sde-ve.ts"
export { type ScoreSdeVpConfig, ScoreSdeVpScheduler } from "./schedulers/score-sde-vp.ts"
export { type DType, type Tensor, tensor } from "./tensor.ts"
export { WeightsError } from "./weights/errors.ts"
