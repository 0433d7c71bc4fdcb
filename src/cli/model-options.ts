import type { ModelOptions } from "../models/network-model.ts"
import type { ModelDType } from "../models/network-session.ts"
import type { Device } from "../runtime/device.ts"
import type { CommandContext } from "./context.ts"
import { showDownload } from "./download-progress.ts"

/** Which model is meant, as the command line has it. */
export interface RepoArguments {
  readonly revision?: string
  readonly variant?: string
  readonly subfolder?: string
  readonly cacheDir?: string
  readonly localFilesOnly?: boolean
  readonly forceDownload?: boolean
  readonly token?: string
}

/** Where a model's network runs, as the command line has it. */
export interface ComputationArguments {
  readonly device: readonly Device[]
  readonly dtype: ModelDType
  readonly threads?: number
}

/** A command's options as those of `fromPretrained`: downloads are shown, warnings become notes. */
export function loadingOptions(
  options: RepoArguments & Partial<ComputationArguments>,
  { signal, terminal }: CommandContext,
): ModelOptions {
  const { revision, variant, subfolder, cacheDir, localFilesOnly, forceDownload, token } = options
  const { device, dtype, threads } = options
  return {
    ...(revision !== undefined && { revision }),
    ...(variant !== undefined && { variant }),
    ...(subfolder !== undefined && { subfolder }),
    ...(cacheDir !== undefined && { cacheDir }),
    ...(localFilesOnly !== undefined && { localFilesOnly }),
    ...(forceDownload !== undefined && { forceDownload }),
    ...(token !== undefined && { token }),
    ...(device !== undefined && { device }),
    ...(dtype !== undefined && { dtype }),
    ...(threads !== undefined && { threads }),
    signal,
    onProgress: event => showDownload(terminal, event),
    onWarning: message => terminal.note(`note: ${message}`),
  }
}
