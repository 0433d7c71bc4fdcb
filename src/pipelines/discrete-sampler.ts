import type { DDIMScheduler } from "../schedulers/ddim.ts"
import type { DDPMScheduler } from "../schedulers/ddpm.ts"
import type { LinearStep } from "../schedulers/linear-step.ts"
import type { LinearSampler } from "./on-device.ts"

/** The sampler of a discrete diffusion's steps; undefined where they aren't sums, or not of finite numbers. */
export function discreteSampler(
  { initNoiseSigma, timesteps, clip }: DDPMScheduler | DDIMScheduler,
  stepAt: (timestep: number) => LinearStep | undefined,
): LinearSampler | undefined {
  const steps: LinearStep[] = []
  for (const timestep of timesteps) {
    const step = stepAt(timestep)
    // x₀ can't be told from pure noise, where √ᾱ is 0.
    if (!step || !Object.values(step).every(value => value === undefined || Number.isFinite(value)))
      return undefined
    steps.push(step)
  }
  return { initNoiseSigma, labels: timesteps, steps, clip, result: "prevSample" }
}
