import { AbortError } from "../errors.ts"
import type { DeviceAttempt } from "../runtime/device.ts"
import type { CommandContext } from "./context.ts"
import type { ComputationArguments } from "./model-options.ts"

/** What tells where it runs and which devices were tried before: a network, or a pipeline with one. */
type Loaded =
  | { readonly deviceAttempts: readonly DeviceAttempt[] }
  | { readonly unet: { readonly deviceAttempts: readonly DeviceAttempt[] } }

/** Loads a model, and says which of the devices that were asked for didn't take it, or what stays after Ctrl-C. */
export async function loadModel<M extends Loaded>(
  { terminal }: CommandContext,
  { device }: Partial<Pick<ComputationArguments, "device">>,
  load: () => Promise<M>,
): Promise<M> {
  let model: M
  try {
    model = await load()
  } catch (error) {
    if (!(error instanceof AbortError)) throw error
    const message = "Interrupted while loading. Files that were downloaded whole stay in the cache."
    throw new AbortError(error.cause, message)
  } finally {
    terminal.endProgress()
  }
  const { deviceAttempts } = "unet" in model ? model.unet : model
  // What "auto" tries in vain is no news.
  for (const attempt of deviceAttempts) {
    if (device?.includes(attempt.device)) terminal.note(`note: ${attempt.error.message}`)
  }
  return model
}
