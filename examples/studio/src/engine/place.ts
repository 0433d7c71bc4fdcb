import type { DiffusionPipeline } from "score-sde"
import type { Place } from "./protocol.ts"

/** Where a pipeline's network is. */
export function placeOf({ unet }: DiffusionPipeline): Place {
  const failed = unet.deviceAttempts.map(({ device, error }) => ({ device, reason: error.message }))
  return { device: unet.device, failed }
}
