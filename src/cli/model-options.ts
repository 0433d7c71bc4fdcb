import type { PipelineOptions } from "../pipelines/diffusion-pipeline.ts"
import type { Device } from "../runtime/device.ts"
import { DownloadBar } from "./progress.ts"

/** The options that every command has. */
export interface ModelCommandOptions {
  readonly revision?: string
  readonly variant?: string
  readonly subfolder?: string
  readonly token?: string
  readonly cacheDir?: string
  readonly localFilesOnly?: boolean
  readonly device: Device
  readonly dtype: "fp32" | "fp16"
  readonly threads?: number
}

/** A command's options as those of `fromPretrained`, with a progress bar for downloads and warnings on stderr. */
export function loadingOptions(options: ModelCommandOptions, signal?: AbortSignal): PipelineOptions {
  const { revision, variant, subfolder, token, cacheDir, localFilesOnly, device, dtype, threads } = options
  const bar = new DownloadBar()
  return {
    device,
    dtype,
    ...(revision !== undefined && { revision }),
    ...(variant !== undefined && { variant }),
    ...(subfolder !== undefined && { subfolder }),
    ...(token !== undefined && { token }),
    ...(cacheDir !== undefined && { cacheDir }),
    ...(localFilesOnly !== undefined && { localFilesOnly }),
    ...(threads !== undefined && { threads }),
    ...(signal && { signal }),
    onProgress: event => bar.update(event),
    onWarning: message => console.error(`Note: ${message}`),
  }
}
