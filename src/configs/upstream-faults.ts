import type { ScoreSdeConfigName } from "./names.ts"

/** Where a configuration differs from the file of its name in score_sde, because that was a mistake. */
export interface UpstreamFault {
  readonly config: ScoreSdeConfigName
  /** The option, as `section.key` in files. */
  readonly option: string
  /** What the original has there; undefined where it has nothing. */
  readonly original: unknown
  /** What the configuration has here; undefined where it has nothing. */
  readonly corrected: unknown
  readonly why: string
}

function standsAlone(config: ScoreSdeConfigName): readonly UpstreamFault[] {
  const missing = {
    "eval.enable_sampling": true,
    "eval.enable_loss": true,
    "eval.enable_bpd": false,
    "eval.bpd_dataset": "test",
    "model.beta_min": 0.1,
    "model.beta_max": 20,
  }
  return Object.entries(missing).map(([option, corrected]) => ({
    config,
    option,
    original: undefined,
    corrected,
    why: "The file doesn't build on the defaults and forgets the option, which stopped evaluation.",
  }))
}

function authorsPath(config: ScoreSdeConfigName, original: string, why = ""): UpstreamFault {
  const option = "data.tfrecords_path"
  const reason = `A path on the authors' machines${why}; where the pictures are is no part of a configuration.`
  return { config, option, original, corrected: undefined, why: reason }
}

function misplaced(
  config: ScoreSdeConfigName,
  why: string,
  from: readonly [option: string, value: unknown],
  to: readonly [option: string, original: unknown, corrected: unknown],
): readonly UpstreamFault[] {
  return [
    { config, option: from[0], original: from[1], corrected: undefined, why },
    { config, option: to[0], original: to[1], corrected: to[2], why },
  ]
}

/** All of them. Options that nothing of the original reads for the network are left out without a mention. */
export const upstreamFaults: readonly UpstreamFault[] = [
  ...standsAlone("ve/celebahq_ncsnpp_continuous"),
  ...standsAlone("ve/ffhq_ncsnpp_continuous"),
  ...misplaced(
    "ve/ncsn/celeba",
    "The name of the SDE stands under another option, so that there is no SDE.",
    ["training.loss", "vesde"],
    ["training.sde", undefined, "vesde"],
  ),
  ...misplaced(
    "ve/ncsnv2/bedroom",
    "Misspelt, so that the network would be trained on noise levels that it has no number for.",
    ["training.continuouse", false],
    ["training.continuous", true, false],
  ),
  {
    config: "ve/celeba_ncsnpp",
    option: "model.sigma_begin",
    original: 90,
    corrected: undefined,
    why: "An older name of sigma_max, which the file has too.",
  },
  authorsPath("ve/celebahq_256_ncsnpp_continuous", "/home/yangsong/ncsc/celebahq/r08.tfrecords"),
  authorsPath("ve/celebahq_ncsnpp_continuous", "/atlas/u/yangsong/celeba_hq/-r10.tfrecords"),
  authorsPath("ve/ffhq_256_ncsnpp_continuous", "/home/yangsong/ncsc/ffhq/ffhq-r08.tfrecords"),
  authorsPath("ve/ffhq_ncsnpp_continuous", "/raid/song/ffhq-dataset/ffhq/ffhq-r10.tfrecords"),
  authorsPath(
    "vp/ddpm/celebahq",
    "/atlas/u/yangsong/celeba_hq/-r10.tfrecords",
    ", and of pictures of 1024 pixels for a network of 256",
  ),
]
