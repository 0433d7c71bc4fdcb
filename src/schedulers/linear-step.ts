/**
 * A step of a sampler as sums of products: the mean is onSample·x + onOutput·f + onOriginal·x₀, for the sample x and the
 * network's output f, and the next sample is the mean + onNoise·z. x₀ is originalOnSample·x + originalOnOutput·f,
 * clamped where the scheduler says so.
 */
export interface LinearStep {
  readonly onSample: number
  readonly onOutput: number
  readonly onOriginal: number
  readonly originalOnSample: number
  readonly originalOnOutput: number
  /** Undefined where the step draws no noise. */
  readonly onNoise: number | undefined
}

/** The numbers of a step without noise that leaves the sample where it is. */
export const standstill: LinearStep = {
  onSample: 1,
  onOutput: 0,
  onOriginal: 0,
  originalOnSample: 0,
  originalOnOutput: 0,
  onNoise: undefined,
}
