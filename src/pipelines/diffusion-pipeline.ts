import { checkOptions, type OptionList, object } from "../check-options.ts"
import { DIFFUSERS_VERSION } from "../config/diffusers-version.ts"
import type { JsonObject } from "../config/json.ts"
import { describeValue } from "../describe-value.ts"
import type { ModelLocation } from "../hub/open-repo.ts"
import { type ModelOptions, modelOptions } from "../models/network-model.ts"
import type { AnyNetwork, NetworkClass } from "../models/registry.ts"
import type { AnyScheduler, SchedulerClass } from "../schedulers/registry.ts"
import type { Likelihood } from "../sde/likelihood.ts"
import type { Tensor } from "../tensor.ts"
import { Callable } from "./callable.ts"
import { PipelineError } from "./errors.ts"
import type {
  DecodeOptions,
  EncodedPictures,
  FlowOptions,
  PictureLikelihoodOptions,
} from "./flow-operations.ts"
import { type OutputType, type PipelineOutput, type SamplingOptions, samplingOptions } from "./options.ts"
import type { PictureInput } from "./picture-input.ts"
import type { SaveOptions } from "./save-pretrained.ts"
import type { ScoreModel, ScoreModelOptions } from "./score-model.ts"

/** How a pipeline is loaded. A component that is given is used in place of the repository's. */
export interface PipelineOptions extends ModelOptions {
  readonly unet?: AnyNetwork
  readonly scheduler?: AnyScheduler
}

/** {@link PipelineOptions} as a caller without types gives them. */
export const pipelineOptions: OptionList<PipelineOptions> = {
  type: "PipelineOptions",
  options: { ...modelOptions.options, unet: object, scheduler: object },
}

/** The parts of a pipeline. */
export interface PipelineComponents<
  S extends AnyScheduler = AnyScheduler,
  M extends AnyNetwork = AnyNetwork,
> {
  readonly unet: M
  readonly scheduler: S
}

/** A pipeline class, as far as a loader needs it. */
export interface PipelineClass<P extends DiffusionPipeline = DiffusionPipeline> {
  readonly className: string
  readonly schedulerClass: SchedulerClass
  readonly networkClass: NetworkClass
  new (components: PipelineComponents, metadata?: { readonly scalars?: JsonObject }): P
}

// biome-ignore lint/correctness/noUnusedVariables: the class below, which this merges with, has the parameters
export interface DiffusionPipeline<S extends AnyScheduler = AnyScheduler, M extends AnyNetwork = AnyNetwork> {
  /** Makes pictures; see {@link DiffusionPipeline.generate}. */
  // biome-ignore lint/style/useShorthandFunctionType: merges with the class below
  <T extends OutputType = "image">(options?: SamplingOptions<T>): Promise<PipelineOutput<T>>
}

/**
 * A model with all that is needed to make pictures with it: a network, a scheduler and the loop that joins them.
 * A pipeline is called like a function.
 *
 * ```ts
 * const pipe = await DiffusionPipeline.fromPretrained("google/ncsnpp-ffhq-1024")
 * const { images } = await pipe({ seed: 0 })
 * await images[0].save("face.png")
 * ```
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: how TypeScript writes that an instance can be called
export abstract class DiffusionPipeline<
    S extends AnyScheduler = AnyScheduler,
    M extends AnyNetwork = AnyNetwork,
  >
  extends Callable
  implements AsyncDisposable
{
  /**
   * The options of a call; others are refused. A subclass with more of them that hands them on to the `generate` of this
   * class adds them here.
   */
  static readonly callOptions: OptionList<SamplingOptions> = samplingOptions

  readonly unet: M
  /** Further entries of the `model_index.json` that the pipeline was loaded from; they survive a save. */
  readonly scalars: JsonObject
  #scheduler: S

  /**
   * @param components - The network and the scheduler; their classes must be the pipeline's.
   * @throws PipelineError `COMPONENT_TYPE`
   */
  constructor(components: PipelineComponents, { scalars = {} }: { readonly scalars?: JsonObject } = {}) {
    super()
    const { unet, scheduler } = components ?? {}
    this.unet = this.#checkedNetwork(unet)
    this.scalars = scalars
    this.#scheduler = this.#checked(scheduler)
  }

  /**
   * Loads a pipeline from a Hub id or a folder; in a page also from a folder that the visitor chose. Called on `DiffusionPipeline` it gives the class that the repository's
   * `model_index.json` names; called on a class, that class.
   *
   * @throws HubError, ConfigError, WeightsError, PipelineError, RuntimeError; AbortError.
   */
  static async fromPretrained<P extends DiffusionPipeline>(
    this: abstract new (
      components: PipelineComponents<never, never>,
    ) => P,
    location: ModelLocation,
    options: PipelineOptions = {},
  ): Promise<P> {
    checkOptions("fromPretrained", options, pipelineOptions)
    // Loaded late, since the registry of pipelines imports them all, and they this class.
    const { loadPipeline } = await import("./load-pipeline.ts")
    // biome-ignore lint/complexity/noThisInStatic: the class that it was called on decides
    const asked = this as unknown as PipelineClass
    return (await loadPipeline(location, asked.className === undefined ? undefined : asked, options)) as P
  }

  /** Makes pictures; what calling the pipeline does. */
  abstract generate<T extends OutputType = "image">(options?: SamplingOptions<T>): Promise<PipelineOutput<T>>

  /**
   * The network as the score of its SDE: what all the SDE's samplers, its likelihood and its latents work on.
   *
   * @throws PipelineError `NO_SDE` where the network or its noise levels are not those of an SDE.
   */
  abstract scoreModel(options?: ScoreModelOptions): ScoreModel

  /**
   * How likely the model finds pictures: bits per number of a picture, by the probability-flow ODE and the
   * Skilling–Hutchinson estimator of its divergence (Song et al. 2021, equations 39 and 40). Each evaluation is one of
   * the network with its vector–Jacobian product.
   *
   * @param pictures - `Image` values, or a tensor [N, C, H, W] or [N, H, W, C] of floats in [0, 1] or bytes.
   * @throws InputError, PipelineError, SdeError, RandomError, GraphError, RuntimeError; AbortError.
   */
  async likelihood(pictures: PictureInput, options: PictureLikelihoodOptions = {}): Promise<Likelihood> {
    const { pictureLikelihood } = await import("./flow-operations.ts")
    return pictureLikelihood(this, pictures, options)
  }

  /**
   * The latents of pictures, which the probability-flow ODE leads them to; {@link decode} leads back.
   *
   * @param pictures - As for {@link likelihood}.
   * @throws InputError, PipelineError, SdeError, RuntimeError; AbortError.
   */
  async encode(pictures: PictureInput, options: FlowOptions = {}): Promise<EncodedPictures> {
    const { encodePictures } = await import("./flow-operations.ts")
    return encodePictures(this, pictures, options)
  }

  /**
   * The pictures of latents, as {@link encode} gives them or `slerp` interpolates them.
   *
   * @param latents - [N, C, H, W].
   * @throws InputError, PipelineError, SdeError, RuntimeError; AbortError.
   */
  async decode<T extends OutputType = "image">(
    latents: Tensor<"float32">,
    options: DecodeOptions<T> = {},
  ): Promise<PipelineOutput<T>> {
    const { decodeLatents } = await import("./flow-operations.ts")
    return decodeLatents(this, latents, options)
  }

  /** The sampler's schedule. Another scheduler of the same class may be put in its place. */
  get scheduler(): S {
    return this.#scheduler
  }

  set scheduler(scheduler: S) {
    this.#scheduler = this.#checked(scheduler)
  }

  /** The parts by name; they can be handed to another pipeline's constructor, which then shares them. */
  get components(): PipelineComponents<S, M> {
    return { unet: this.unet, scheduler: this.scheduler }
  }

  /** Moves the network to another device. */
  async to(
    device: NonNullable<ModelOptions["device"]>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<this> {
    await this.unet.to(device, options)
    return this
  }

  /**
   * Writes the pipeline as a folder that this library and Diffusers load: byte for byte what Diffusers writes, and
   * `unet/model.onnx` beside the weights.
   *
   * @throws FileError, WeightsError, HubError, InputError; AbortError.
   */
  async savePretrained(directory: string, options: SaveOptions = {}): Promise<void> {
    const { savePipeline } = await import("./save-pretrained.ts")
    await savePipeline(this, directory, DIFFUSERS_VERSION, options)
  }

  /** Frees the network. Calling it again does nothing. */
  async dispose(): Promise<void> {
    await this.unet.dispose()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }

  /** What a call gives that chooses another sampler than the pipeline's own. */
  protected async sampleScore<T extends OutputType>(options: SamplingOptions<T>): Promise<PipelineOutput<T>> {
    const { sampleScore } = await import("./score-sampling.ts")
    return sampleScore(this, options)
  }

  /** A scheduler for one call, so that calls with different numbers of steps can overlap. */
  protected schedulerForCall(): S {
    const Scheduler = this.#scheduler.constructor as new (config: object) => S
    return new Scheduler(this.#scheduler.config)
  }

  #checkedNetwork(network: AnyNetwork): M {
    const { className, networkClass } = this.constructor as unknown as PipelineClass
    const { className: found } = (network?.constructor ?? {}) as Partial<NetworkClass>
    // Something else that says it is a network, such as one in tests or of another kind of runtime, is let through.
    const isOther = found === undefined && typeof network?.forward === "function"
    if (isOther || found === networkClass.className) return network as M
    throw new PipelineError(
      "COMPONENT_TYPE",
      `A ${className} needs a ${networkClass.className}, not ${found === undefined ? describeValue(network) : `a ${found}`}.`,
      { hint: `Give it its parts: new ${className}({ unet, scheduler }).` },
    )
  }

  #checked(scheduler: AnyScheduler): S {
    const { className, schedulerClass } = this.constructor as unknown as PipelineClass
    if (scheduler instanceof (schedulerClass as unknown as new () => object)) return scheduler as S
    const found = (scheduler as object)?.constructor?.name ?? String(scheduler)
    throw new PipelineError(
      "COMPONENT_TYPE",
      `A ${className} needs a ${schedulerClass.className}, not a ${found}.`,
      {
        hint: `For another sampler make another pipeline: new DDIMPipeline({ ...pipe.components, scheduler }).`,
      },
    )
  }
}
