import { createConfig, defineConfig, key, type ReadConfigOptions, readConfig } from "../config/config.ts"
import { bool, float, int, oneOf, string } from "../config/kinds.ts"
import type { SamplingConfig, ScoreSdeConfig, SdeName } from "../configs/score-sde-config.ts"
import type { SDE } from "../sde/sde.ts"
import { SubVPSDE } from "../sde/sub-vp-sde.ts"
import { VESDE } from "../sde/ve-sde.ts"
import { VPSDE } from "../sde/vp-sde.ts"
import { linspace } from "./float32.ts"
import { MAX_TIMESTEPS, SCHEDULER_FILE, Scheduler } from "./scheduler.ts"

/** The configuration of a {@link ScoreSdeScheduler}: what score_sde's configurations say about noise and sampling. */
export interface ScoreSdeSchedulerConfig extends SamplingConfig {
  readonly sde: SdeName
  /** Noise levels of the chain that the network was trained on; for continuous training the steps of sampling. */
  readonly numTrainTimesteps: number
  /** Whether the network was trained on all noise levels in between, too. */
  readonly continuous: boolean
  /** The noise levels of `vesde`, … */
  readonly sigmaMin: number
  readonly sigmaMax: number
  /** … and the rates of `vpsde` and `subvpsde`. */
  readonly betaMin: number
  readonly betaMax: number
  /** Whether pictures lie in [−1, 1], not in [0, 1]. */
  readonly centered: boolean
}

const spec = defineConfig<ScoreSdeSchedulerConfig>({
  className: "ScoreSdeScheduler",
  fileName: SCHEDULER_FILE,
  keys: {
    sde: key(oneOf(["vesde", "vpsde", "subvpsde"]), "vesde"),
    numTrainTimesteps: key(int({ min: 2, max: MAX_TIMESTEPS }), 1000),
    continuous: key(bool(), true),
    sigmaMin: key(float({ above: 0 }), 0.01),
    sigmaMax: key(float({ above: 0 }), 50n),
    betaMin: key(float({ min: 0 }), 0.1),
    betaMax: key(float({ above: 0 }), 20n),
    centered: key(bool(), false),
    method: key(oneOf(["pc", "ode"]), "pc"),
    predictor: key(string(), "reverse_diffusion"),
    corrector: key(string(), "langevin"),
    snr: key(float({ above: 0 }), 0.16),
    nStepsEach: key(int({ min: 1, max: MAX_TIMESTEPS }), 1),
    noiseRemoval: key(bool(), true),
    probabilityFlow: key(bool(), false),
  },
  conflict({ sde, continuous, sigmaMin, sigmaMax, betaMin, betaMax }) {
    if (sigmaMin >= sigmaMax) return { key: "sigmaMin", allowed: `less than sigma_max, ${sigmaMax}` }
    if (betaMin > betaMax) return { key: "betaMin", allowed: `at most beta_max, ${betaMax}` }
    if (sde === "subvpsde" && !continuous) {
      return { key: "continuous", allowed: 'true for the SDE "subvpsde", which is the limit of no chain' }
    }
    return undefined
  },
})

/** The SDE of a model of score_sde, and how it is sampled where nothing else is asked for. */
export class ScoreSdeScheduler extends Scheduler<ScoreSdeSchedulerConfig> {
  static readonly className: string = spec.className
  static readonly library: string = "score_sde"

  /** @throws ConfigError `INVALID_VALUE` */
  constructor(config: Partial<ScoreSdeSchedulerConfig> = {}) {
    super(createConfig(spec, config))
  }

  /**
   * A scheduler with the configuration of a parsed `scheduler_config.json` or of another scheduler.
   *
   * @throws ConfigError `INVALID_VALUE`
   */
  static fromConfig(
    config: object,
    overrides: Partial<ScoreSdeSchedulerConfig> = {},
    options: ReadConfigOptions = {},
  ): ScoreSdeScheduler {
    return new ScoreSdeScheduler(readConfig(spec, config, overrides, options))
  }

  /** What a configuration of score_sde says. */
  static fromScoreSde({ training, sampling, data, model }: ScoreSdeConfig): ScoreSdeScheduler {
    const { sigmaMin, sigmaMax, betaMin, betaMax, numScales } = model
    return new ScoreSdeScheduler({
      sde: training.sde,
      numTrainTimesteps: numScales,
      continuous: training.continuous,
      sigmaMin,
      sigmaMax,
      betaMin,
      betaMax,
      centered: data.centered,
      ...sampling,
    })
  }

  get compatibles(): readonly string[] {
    return [spec.className]
  }

  get initNoiseSigma(): number {
    return this.config.sde === "vesde" ? this.config.sigmaMax : 1
  }

  /** The times of the steps, from the end of the SDE down to its `samplingEps`. */
  get timesteps(): Float32Array {
    const { T, samplingEps, N } = this.createSde()
    return linspace(T, samplingEps, N)
  }

  /** Black and white of the model's pictures. */
  get range(): readonly [black: number, white: number] {
    return this.config.centered ? [-1, 1] : [0, 1]
  }

  /**
   * The SDE, with N steps; by default with those of the training.
   *
   * @throws InputError `INVALID_ARGUMENT`
   */
  createSde(N: number = this.config.numTrainTimesteps): SDE {
    const { sde, sigmaMin, sigmaMax, betaMin, betaMax } = this.config
    switch (sde) {
      case "vesde":
        return new VESDE({ sigmaMin, sigmaMax, N })
      case "vpsde":
        return new VPSDE({ betaMin, betaMax, N })
      case "subvpsde":
        return new SubVPSDE({ betaMin, betaMax, N })
    }
  }
}
