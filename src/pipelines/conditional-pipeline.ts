import { checkOptions, flag, kind, labels, number, type OptionList } from "../check-options.ts"
import { InputError } from "../errors.ts"
import type { ModelLocation } from "../hub/open-repo.ts"
import { checkLabels } from "../models/class-labels.ts"
import type { NoisyClassifier } from "../models/wideresnet/classifier.ts"
import { checkCount, perSample } from "../schedulers/checks.ts"
import { guidedScore } from "../sde/guidance.ts"
import type { Measurement } from "../sde/measurements.ts"
import type { PcSettings } from "../sde/pc-sampler.ts"
import { repeatMeasurement } from "../sde/repeat.ts"
import type { ScoreFunction } from "../sde/sde.ts"
import type { Tensor } from "../tensor.ts"
import { Callable } from "./callable.ts"
import { DiffusionPipeline, type PipelineOptions, pipelineOptions } from "./diffusion-pipeline.ts"
import { PipelineError } from "./errors.ts"
import {
  type CallOptions,
  callOptions,
  type OutputType,
  type PipelineOutput,
  type SamplingOptions,
} from "./options.ts"
import { pcOptions } from "./sampler-settings.ts"
import type { ScoreModel } from "./score-model.ts"
import { sampleScore } from "./score-sampling.ts"

/** Guidance by a classifier, where the pipeline has one. */
export interface GuidanceSettings {
  /** The class of the pictures, from 0; one for all, or one for each of them. */
  readonly classLabels?: number | readonly number[] | undefined
  /** How much the classifier's gradient weighs: 1 is Bayes' rule, more gives more typical pictures. Default 1. */
  readonly guidanceScale?: number | undefined
}

/**
 * What every pipeline that restores pictures can be called with. The sampler is predictor–corrector; what is not set is
 * as the model has it.
 */
export interface RestorationSettings<T extends OutputType = "image">
  extends CallOptions<T>,
    PcSettings,
    GuidanceSettings {
  /** Pictures to make of each that is given. They follow each other. Default 1. */
  readonly numImagesPerInput?: number | undefined
  /**
   * Whether to do as score_sde does, for runs that are to equal its own: what is known starts without noise, what is
   * found keeps its last noise, sampling ends at time 1e-5, and colorization draws its noise in another way.
   * Default false.
   */
  readonly compat?: boolean | undefined
}

/** {@link GuidanceSettings} as a caller without types gives them. */
export const guidanceOptions: OptionList<GuidanceSettings> = {
  type: "GuidanceSettings",
  options: { classLabels: labels, guidanceScale: number },
}

/** {@link RestorationSettings} as a caller without types gives them. */
export const restorationOptions: OptionList<RestorationSettings> = {
  type: "RestorationSettings",
  options: {
    ...callOptions.options,
    ...pcOptions,
    ...guidanceOptions.options,
    numImagesPerInput: number,
    compat: flag,
  },
}

/** What a conditional pipeline has besides a model. */
export interface ConditionalComponents {
  /** Tells the classes of noisy pictures, such as a `NoiseConditionalClassifier`; for `classLabels`. */
  readonly classifier?: NoisyClassifier | undefined
}

const conditionalComponents: OptionList<ConditionalComponents> = {
  type: "ConditionalComponents",
  options: {
    classifier: kind(value => {
      const { gradient, numClasses } = (value ?? {}) as Partial<NoisyClassifier>
      return typeof gradient === "function" && typeof numClasses === "number"
    }, "a classifier with numClasses and gradient"),
  },
}

const loadingOptions: OptionList<PipelineOptions & ConditionalComponents> = {
  type: "PipelineOptions",
  options: { ...pipelineOptions.options, ...conditionalComponents.options },
}

/** A class of conditional pipelines. */
export type ConditionalPipelineClass<P extends ConditionalPipeline> = new (
  pipe: DiffusionPipeline,
  components?: ConditionalComponents,
) => P

/** Pictures with something known about them, from the model of any pipeline whose network is the score of an SDE. */
export abstract class ConditionalPipeline extends Callable implements AsyncDisposable {
  /** The options of a call; others are refused. */
  static readonly callOptions: OptionList<object> = restorationOptions

  /** The pipeline whose model makes the pictures. */
  readonly pipe: DiffusionPipeline
  readonly classifier: NoisyClassifier | undefined

  /**
   * @param pipe - Its network and its scheduler are shared with it.
   * @throws PipelineError `COMPONENT_TYPE`, `NO_SDE`; InputError `SHAPE_MISMATCH` for a classifier of other pictures.
   */
  constructor(pipe: DiffusionPipeline, components: ConditionalComponents = {}) {
    super()
    checkOptions(`new ${new.target.name}()`, components, conditionalComponents)
    const { classifier } = components
    if (!(pipe instanceof DiffusionPipeline)) {
      const { name } = new.target
      throw new PipelineError("COMPONENT_TYPE", `A ${name} needs a pipeline, whose model it works with.`, {
        hint: `new ${name}(await DiffusionPipeline.fromPretrained(id))`,
      })
    }
    const { shape } = pipe.scoreModel()
    if (classifier?.shape && classifier.shape.join() !== shape.join()) {
      throw new InputError(
        "SHAPE_MISMATCH",
        `The classifier takes pictures of ${classifier.shape.join(" × ")}, but the model makes them ${shape.join(" × ")}.`,
      )
    }
    this.pipe = pipe
    this.classifier = classifier
  }

  /**
   * Loads the model from a Hub id or a folder, as `DiffusionPipeline.fromPretrained` does.
   *
   * @throws HubError, ConfigError, WeightsError, PipelineError, RuntimeError, InputError; AbortError.
   */
  static async fromPretrained<P extends ConditionalPipeline>(
    this: ConditionalPipelineClass<P>,
    location: ModelLocation,
    options: PipelineOptions & ConditionalComponents = {},
  ): Promise<P> {
    checkOptions("fromPretrained", options, loadingOptions)
    const { classifier, ...rest } = options
    const pipe = await DiffusionPipeline.fromPretrained(location, rest)
    try {
      return new this(pipe, { classifier })
    } catch (error) {
      await pipe.dispose()
      throw error
    }
  }

  /** Makes pictures; what calling the pipeline does. */
  abstract generate(options: never): Promise<unknown>

  get unet(): DiffusionPipeline["unet"] {
    return this.pipe.unet
  }

  /** Moves the model to another device. */
  async to(...where: Parameters<DiffusionPipeline["to"]>): Promise<this> {
    await this.pipe.to(...where)
    return this
  }

  /** Frees the model, which others that share it lose too. The classifier stays. */
  async dispose(): Promise<void> {
    await this.pipe.dispose()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }

  /**
   * Restores pictures.
   *
   * @param measure - What is known of them, for the given model: one for each input, its data in [0, 1].
   */
  protected async restore<T extends OutputType>(
    { numImagesPerInput = 1, compat, classLabels, guidanceScale, ...options }: RestorationSettings<T>,
    measure: (model: ScoreModel) => Measurement | Promise<Measurement>,
  ): Promise<PipelineOutput<T>> {
    checkCount("numImagesPerInput", numImagesPerInput, 1, 65_536)
    const { signal } = options
    const model = this.pipe.scoreModel({ signal })
    const one = await measure(model)
    checkShape(one.data, model)
    const measurement = repeatMeasurement({ ...one, data: inRange(one.data, model.range) }, numImagesPerInput)
    const count = measurement.data.shape[0]!
    const guidance = { classLabels: labelsOfInputs(classLabels, numImagesPerInput, count), guidanceScale }
    const settings = { ...options, ...this.networkLabels(guidance), sampler: "pc" } as const
    return sampleScore(this.pipe, settings, model => ({
      measurement,
      compat,
      score: this.guided(model, guidance, count, signal),
    }))
  }

  /** The labels for the network itself, where it is class-conditional. */
  protected networkLabels({ classLabels }: GuidanceSettings): Pick<SamplingOptions, "classLabels"> {
    return this.unet.classInput ? { classLabels } : {}
  }

  /** The score of pictures of the given classes; the model's where there are none. */
  protected guided(
    { sde, score, range }: ScoreModel,
    { classLabels, guidanceScale: scale }: GuidanceSettings,
    count: number,
    signal: AbortSignal | undefined,
  ): ScoreFunction {
    const { classifier } = this
    if (scale !== undefined && !Number.isFinite(scale)) {
      throw new InputError("INVALID_ARGUMENT", `guidanceScale is ${scale}, but must be a finite number.`)
    }
    if (classLabels === undefined) {
      if (scale === undefined) return score
      throw new InputError("INVALID_ARGUMENT", "guidanceScale was given without classLabels.", {
        hint: "Say which class to guide to.",
      })
    }
    if (!classifier) {
      if (this.unet.classInput && scale === undefined) return score
      throw new InputError("NOT_SET_UP", "classLabels were given, but the pipeline has no classifier.", {
        hint: `Give it one: new ${this.constructor.name}(pipe, { classifier }).`,
      })
    }
    const labels = perSample("classLabels", classLabels, count)
    checkLabels(labels, classifier.numClasses, "the classifier's")
    const gradient = (x: Tensor<"float32">, sigma: Float32Array) =>
      classifier.gradient(x, sigma, labels, { signal })
    return guidedScore(sde, score, gradient, { scale, range })
  }
}

/** One label for each picture, where there is one for each input. */
function labelsOfInputs(
  labels: GuidanceSettings["classLabels"],
  numImagesPerInput: number,
  count: number,
): GuidanceSettings["classLabels"] {
  if (typeof labels !== "object" || labels.length * numImagesPerInput !== count) return labels
  return labels.flatMap(label => Array<number>(numImagesPerInput).fill(label))
}

function checkShape({ shape }: Tensor, model: ScoreModel): void {
  if (shape.length === 4 && shape.slice(1).join() === model.shape.join()) return
  const [, , height, width] = shape
  const [, modelHeight, modelWidth] = model.shape
  throw new InputError(
    "SHAPE_MISMATCH",
    shape.length === 4 && (height !== modelHeight || width !== modelWidth)
      ? `The picture has ${width} × ${height} pixels, but the model makes ${modelWidth} × ${modelHeight}.`
      : `What is known of the pictures has the shape [${shape.join(", ")}], but the model makes [N, ${model.shape.join(", ")}].`,
    { hint: "Scale or crop it first, or load the model with another `size`." },
  )
}

/** Numbers in [0, 1] as the model has them. */
function inRange(x: Tensor<"float32">, [black, white]: ScoreModel["range"]): Tensor<"float32"> {
  if (black === 0 && white === 1) return x
  return { ...x, data: x.data.map(value => black + value * (white - black)) }
}
