import type { Command } from "commander"
import { InputError } from "../errors.ts"
import type { AnyNetwork } from "../models/registry.ts"
import { NoiseConditionalClassifier } from "../models/wideresnet/classifier.ts"
import type { GuidanceSettings } from "../pipelines/conditional-pipeline.ts"
import type { CommandContext } from "./context.ts"
import { loadModel } from "./load-model.ts"
import { type ComputationArguments, loadingOptions } from "./model-options.ts"
import { number, wholeNumber } from "./option-values.ts"

/** Guidance to a class, as the command line has it. */
export interface GuidanceArguments {
  readonly classifier?: string
  readonly classLabel?: number
  readonly guidanceScale?: number
}

/** Adds the options of guidance by a classifier. */
export function addGuidanceOptions(command: Command): void {
  command
    .optionsGroup("Class:")
    .option(
      "--classifier <path>",
      "score_sde's noise-conditional classifier: its checkpoint, a folder or a Hub id",
    )
    .option(
      "--class-label <k>",
      "the class to make, from 0: of the classifier, or of a class-conditional model",
      wholeNumber(0),
    )
    .option("--guidance-scale <x>", "more gives more typical pictures of the class (default: 1)", number)
}

/** What is made, and with which classifier. */
interface Guidance {
  readonly classifier: NoiseConditionalClassifier | undefined
  readonly settings: GuidanceSettings
}

/**
 * The classifier, if one is asked for, and what to do with it.
 *
 * @throws InputError for options that go together and don't
 */
export async function loadGuidance(
  options: GuidanceArguments & ComputationArguments,
  { size, classInput }: Pick<AnyNetwork, "size" | "classInput">,
  context: CommandContext,
): Promise<Guidance> {
  const { classifier: path, classLabel: classLabels, guidanceScale } = options
  const settings = { classLabels, guidanceScale }
  if (path === undefined && guidanceScale === undefined && (classInput || classLabels === undefined)) {
    return { classifier: undefined, settings }
  }
  if (path === undefined || classLabels === undefined) {
    throw new InputError("INVALID_ARGUMENT", "A class needs both --classifier and --class-label.", {
      hint: "Only a class-conditional model takes a label alone. score-sde sample MODEL --classifier checkpoint_0 --class-label 7",
    })
  }
  const { device, threads } = options
  const { onWarning, ...reports } = loadingOptions({}, context)
  const loading = {
    ...reports,
    device,
    imageSize: size[0],
    ...(threads !== undefined && { threads }),
  }
  const classifier = await loadModel(context, options, () =>
    NoiseConditionalClassifier.fromPretrained(path, loading),
  )
  return { classifier, settings }
}
