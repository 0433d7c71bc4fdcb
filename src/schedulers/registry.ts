import type { ReadConfigOptions } from "../config/config.ts"
import { ConfigError } from "../config/errors.ts"
import { describeValue } from "../describe-value.ts"
import { DDIMScheduler } from "./ddim.ts"
import { DDPMScheduler } from "./ddpm.ts"
import { KarrasVeScheduler } from "./karras-ve.ts"
import { ScoreSdeScheduler } from "./score-sde.ts"
import { ScoreSdeVeScheduler } from "./score-sde-ve.ts"
import { ScoreSdeVpScheduler } from "./score-sde-vp.ts"

/** Any scheduler of this library; `instanceof` tells which. */
export type AnyScheduler =
  | ScoreSdeVeScheduler
  | ScoreSdeVpScheduler
  | DDPMScheduler
  | DDIMScheduler
  | KarrasVeScheduler
  | ScoreSdeScheduler

/** A scheduler class, as far as a loader needs it. */
export interface SchedulerClass {
  readonly className: string
  /** What `model_index.json` calls the library that has it. Default: Diffusers. */
  readonly library?: string
  fromConfig(config: object, overrides?: object, options?: ReadConfigOptions): AnyScheduler
}

/** The scheduler classes by the names that repositories use; `VeSdeScheduler` is an old one. */
export const schedulerClasses: ReadonlyMap<string, SchedulerClass> = new Map<string, SchedulerClass>([
  ["ScoreSdeVeScheduler", ScoreSdeVeScheduler],
  ["ScoreSdeVpScheduler", ScoreSdeVpScheduler],
  ["DDPMScheduler", DDPMScheduler],
  ["DDIMScheduler", DDIMScheduler],
  ["KarrasVeScheduler", KarrasVeScheduler],
  ["VeSdeScheduler", ScoreSdeVeScheduler],
  ["ScoreSdeScheduler", ScoreSdeScheduler],
])

/**
 * The scheduler class of a name in `model_index.json` or of a `_class_name`.
 *
 * @param file - How the error calls the place of the name.
 * @throws ConfigError `UNKNOWN_CLASS`
 */
export function schedulerClass(className: unknown, file = "scheduler_config.json"): SchedulerClass {
  const found = typeof className === "string" ? schedulerClasses.get(className) : undefined
  if (found !== undefined) return found
  const known = [...schedulerClasses.keys()].join(", ")
  throw new ConfigError(
    "UNKNOWN_CLASS",
    className === undefined
      ? `${file} does not name a scheduler class.`
      : `${file} names the scheduler class ${describeValue(className)}, which this library does not have.`,
    { hint: `It has ${known}. Models trained for DDPM also run with a DDIMScheduler made by fromConfig.` },
  )
}
