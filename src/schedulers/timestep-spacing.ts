import { roundHalfToEven } from "./float32.ts"

/** The ways to choose which training timesteps sampling visits (Lin et al. 2023, table 2). */
export type TimestepSpacing = "linspace" | "leading" | "trailing"

/**
 * The timesteps of `steps` sampling steps out of `trainSteps`, descending.
 *
 * For some numbers of steps Diffusers' "trailing" has, by rounding, one entry too many, the timestep −1; we leave
 * it out.
 */
export function spacedTimesteps(
  spacing: TimestepSpacing,
  trainSteps: number,
  steps: number,
  offset: number,
): Int32Array {
  switch (spacing) {
    case "linspace": {
      const step = steps > 1 ? (trainSteps - 1) / (steps - 1) : 0
      return ascending(steps, i =>
        i === steps - 1 && i > 0 ? trainSteps - 1 : roundHalfToEven(i * step),
      ).reverse()
    }
    case "leading": {
      const step = Math.floor(trainSteps / steps)
      return ascending(steps, i => i * step + offset).reverse()
    }
    case "trailing": {
      // NumPy's arange adds multiples of the rounded difference of its first two elements.
      const step = trainSteps - trainSteps / steps - trainSteps
      return ascending(steps, i => roundHalfToEven(trainSteps + i * step) - 1)
    }
  }
}

function ascending(count: number, value: (i: number) => number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => value(i))
}
