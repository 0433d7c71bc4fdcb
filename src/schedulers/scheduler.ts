import { formatConfig } from "../config/config.ts"
import type { Tensor } from "../tensor.ts"

/** A scheduler's configuration file in a model's repository. */
export const SCHEDULER_FILE = "scheduler_config.json"

/** No schedule is longer: a bound on what a configuration file can make us allocate. */
export const MAX_TIMESTEPS = 1_000_000

/** What all schedulers have in common. */
export abstract class Scheduler<Config extends { readonly numTrainTimesteps: number }> {
  /** The configuration: frozen, with Diffusers' names in camelCase. */
  readonly config: Readonly<Config>
  /** How many network evaluations the order of the solver stands for. */
  readonly order: number = 1
  /** Standard deviation of the noise that sampling starts from. */
  abstract readonly initNoiseSigma: number
  /** The times of the sampling steps, descending. */
  abstract readonly timesteps: Float32Array | Int32Array

  protected constructor(config: Readonly<Config>) {
    this.config = config
  }

  /** Names of the scheduler classes, known to this library, that can take over this scheduler's configuration. */
  abstract get compatibles(): readonly string[]

  /** The number of timesteps that the model was trained with; Python's `len(scheduler)`. */
  get length(): number {
    return this.config.numTrainTimesteps
  }

  /** The sample as the network takes it. None of these schedulers scales it: it is returned as it is. */
  scaleModelInput(sample: Tensor<"float32">, _timestep?: number): Tensor<"float32"> {
    return sample
  }

  /** The text of `scheduler_config.json`, byte for byte as Diffusers writes it. */
  toJsonString(): string {
    return formatConfig(this.config)
  }
}
