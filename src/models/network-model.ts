import {
  abortSignal,
  callback,
  checkOptions,
  flag,
  labels,
  type OptionList,
  object,
  text,
} from "../check-options.ts"
import type { WarningHandler } from "../config/warnings.ts"
import type { WeightsChoice } from "../hub/component-files.ts"
import { type HubOptions, hubOptions } from "../hub/options.ts"
import type { Repo } from "../hub/repo.ts"
import { type DeviceAttempt, resolveDevices } from "../runtime/device.ts"
import { RuntimeError } from "../runtime/errors.ts"
import { LazySession } from "../runtime/lazy-session.ts"
import { mayFallBack } from "../runtime/ort-errors.ts"
import type { Session, SessionOptions } from "../runtime/session.ts"
import type { Tensor } from "../tensor.ts"
import type { Architecture, PictureSize } from "./architecture.ts"
import type { ClassInput, ClassLabels } from "./class-labels.ts"
import { checkCotangent, checkSample, classInput, networkFeeds, type Timestep } from "./feeds.ts"
import { checkDType, type ModelDType, openNetworkSession, readNetworkConfig } from "./network-session.ts"
import { toDType } from "./to-dtype.ts"
import { runVjp, type VjpOutput } from "./vjp-session.ts"

/** Where the model runs. */
export type DeviceOptions = Pick<
  SessionOptions,
  "device" | "worker" | "threads" | "wasmPaths" | "ort" | "sessionOptions"
>

/** How a model is found, read and run. */
export interface ModelOptions extends HubOptions, Omit<WeightsChoice, "dtype">, DeviceOptions {
  /** Element type of the computation; inputs and outputs stay float32. Default `"fp32"`. */
  readonly dtype?: ModelDType
  /** Height and width of the pictures, where they shall differ from the configuration's `sampleSize`. */
  readonly size?: readonly [height: number, width: number]
  /** Hears what was worked around. Default: each distinct warning once on the console. */
  readonly onWarning?: WarningHandler
}

/** {@link DeviceOptions} as a caller without types gives them. */
export const deviceOptions: OptionList<DeviceOptions> = {
  type: "DeviceOptions",
  options: {
    device: true,
    worker: flag,
    threads: true,
    wasmPaths: true,
    ort: object,
    sessionOptions: object,
  },
}

/** {@link ModelOptions} as a caller without types gives them. */
export const modelOptions: OptionList<ModelOptions> = {
  type: "ModelOptions",
  options: {
    ...hubOptions.options,
    ...deviceOptions.options,
    variant: text,
    dtype: true,
    useSafetensors: flag,
    useOnnx: flag,
    size: true,
    onWarning: callback,
  },
}

export interface ForwardOptions {
  /** For a class-conditional model, which can't do without. */
  readonly classLabels?: ClassLabels
  readonly signal?: AbortSignal
}

const forwardOptions: OptionList<ForwardOptions> = {
  type: "ForwardOptions",
  options: { classLabels: labels, signal: abortSignal },
}

const moveOptions: OptionList<Pick<ForwardOptions, "signal">> = {
  type: "ForwardOptions",
  options: { signal: abortSignal },
}

/** What a model was loaded from, and how. */
export interface ModelOrigin {
  readonly repo: Repo
  /** The component's name in the repository; empty for a repository that is the model. */
  readonly component: string
  readonly options: ModelOptions
}

/** A network that has been loaded. */
export interface LoadedNetwork<Config> {
  readonly config: Config
  readonly session: Session
  readonly origin: ModelOrigin
}

/** Loads a network: an ONNX graph where the repository holds one, else its weights, which are converted. */
export async function loadNetwork<Config>(
  architecture: Architecture<Config>,
  origin: ModelOrigin,
): Promise<LoadedNetwork<Config>> {
  checkDType(origin.options.dtype)
  const config = await readNetworkConfig(architecture, origin)
  return { config, session: await openNetworkSession(architecture, config, origin), origin }
}

/** A network on ONNX Runtime, from pictures and a label for each to what it was trained to predict. */
export abstract class NetworkModel<Config = unknown> implements AsyncDisposable {
  readonly config: Config
  /** Height and width of the pictures. */
  readonly size: PictureSize
  readonly inChannels: number
  readonly outChannels: number
  readonly dtype: ModelDType
  readonly #architecture: Architecture<Config>
  #session: Session
  readonly #origin: ModelOrigin
  /** Gives the gradient beside the output. */
  readonly #vjp: LazySession
  /** Settles when the last move to another device has ended, whether well or not. */
  #moving: Promise<unknown> = Promise.resolve()
  #disposed = false
  /** What was asked for when the model was last given a device. */
  #choice: NonNullable<SessionOptions["device"]>
  /** The devices that failed since then. */
  #lost: readonly DeviceAttempt[] = []

  protected constructor(
    architecture: Architecture<Config>,
    { config, session, origin }: LoadedNetwork<Config>,
  ) {
    const { inChannels, outChannels } = architecture.channels(config)
    this.config = config
    this.size = architecture.pictureSize(config, origin.options.size)
    this.inChannels = inChannels
    this.outChannels = outChannels
    this.dtype = origin.options.dtype ?? "fp32"
    this.#architecture = architecture
    this.#session = session
    // What concerned the loading alone must not touch what is done with the model later.
    const { signal, onProgress, forceDownload, ...options } = origin.options
    this.#choice = options.device ?? "auto"
    this.#origin = { ...origin, options }
    this.#vjp = new LazySession(abort => this.#openVjp(abort))
  }

  /** The device that the network runs on. */
  get device(): Session["device"] {
    return this.#session.device
  }

  /** The session that the network runs in, until the model moves: for samplers that keep their state beside it. */
  get session(): Session {
    return this.#session
  }

  /** What a session has to be loaded with to live beside the network's. */
  get companionOptions(): Pick<DeviceOptions, "worker" | "ort"> {
    const { worker, ort } = this.#origin.options
    return { ...(worker !== undefined && { worker }), ...(ort && { ort }) }
  }

  /** What the network takes for the classes of pictures; undefined for one that isn't class-conditional. */
  get classInput(): ClassInput | undefined {
    return classInput(this.#session.inputs, this.#numClasses)
  }

  get #numClasses(): number | undefined {
    return this.#architecture.numClasses?.(this.config)
  }

  /** The devices that were tried or used before it, and why each failed. */
  get deviceAttempts(): Session["attempts"] {
    return [...this.#lost, ...this.#session.attempts]
  }

  /**
   * One evaluation of the network. Where the device is lost, has too little memory or can't compute in 16 bits, and the
   * choice of devices names others behind it, as `"auto"` does, the model is loaded on the next of them, and the
   * evaluation begins anew there.
   *
   * @param sample - [N, inChannels, H, W].
   * @returns `[N, outChannels, H, W]`: the score for a Fourier model, else what the model was trained to predict.
   * @throws InputError `SHAPE_MISMATCH`, `INVALID_ARGUMENT`; RuntimeError; AbortError.
   */
  async forward(
    sample: Tensor<"float32">,
    timestep: Timestep,
    options: ForwardOptions = {},
  ): Promise<Tensor<"float32">> {
    this.#requireLive()
    checkOptions("forward", options, forwardOptions)
    const { classLabels, signal } = options
    checkSample(sample, this.inChannels, this.size)
    const feeds = networkFeeds(this.#session.inputs, sample, timestep, classLabels, this.#numClasses)
    const outputs = await this.#run(feeds, signal)
    const [output] = Object.values(outputs)
    return toDType(output!, "float32") as Tensor<"float32">
  }

  /**
   * One evaluation of the network together with its vector–Jacobian product: vᵀ·∂output/∂sample, for the direction v in
   * `cotangent`. It costs about three evaluations.
   *
   * The graph that gives both is made, and loaded on the model's device, when this is first called; it computes in
   * float32 whatever the model's `dtype`, where there are weights to make it from. Else the repository's ONNX graph is
   * read back and differentiated.
   *
   * @param sample - [N, inChannels, H, W].
   * @param cotangent - [N, outChannels, H, W].
   * @returns `output` [N, outChannels, H, W] and `vjp` [N, inChannels, H, W].
   * @throws InputError `SHAPE_MISMATCH`, `INVALID_ARGUMENT`; GraphError for an ONNX graph that can't be differentiated;
   *   HubError, WeightsError, RuntimeError; AbortError.
   */
  async vjp(
    sample: Tensor<"float32">,
    timestep: Timestep,
    cotangent: Tensor<"float32">,
    options: ForwardOptions = {},
  ): Promise<VjpOutput> {
    this.#requireLive()
    checkOptions("vjp", options, forwardOptions)
    const { classLabels, signal } = options
    checkSample(sample, this.inChannels, this.size)
    checkCotangent(cotangent, [sample.shape[0]!, this.outChannels, ...this.size])
    return await this.#vjp.use(session => {
      const feeds = networkFeeds(session.inputs, sample, timestep, classLabels, this.#numClasses)
      return runVjp(session, feeds, cotangent, signal)
    }, signal)
  }

  /** Number of trained numbers. */
  async countParameters(): Promise<number> {
    const { countParameters } = await import("./conversion.ts")
    return countParameters(await this.#architecture.loadGraph(), this.config, this.size)
  }

  /**
   * Moves the model to another device. When that fails it stays where it is. Of several moves at once the last decides.
   *
   * @throws RuntimeError `DISPOSED`, `DEVICE_UNAVAILABLE`, …; HubError, WeightsError; AbortError.
   */
  async to(
    device: NonNullable<SessionOptions["device"]>,
    options: Pick<ForwardOptions, "signal"> = {},
  ): Promise<this> {
    checkOptions("to", options, moveOptions)
    const { signal } = options
    const move = this.#moving.then(() => this.#move(device, signal))
    this.#moving = move.catch(() => {})
    await move
    return this
  }

  async #move(device: NonNullable<SessionOptions["device"]>, signal: AbortSignal | undefined): Promise<void> {
    await this.#reload(device, signal)
    this.#choice = device
    this.#lost = []
  }

  async #run(
    feeds: Record<string, Tensor>,
    signal: AbortSignal | undefined,
  ): Promise<Record<string, Tensor>> {
    const session = this.#session
    try {
      return await session.run(feeds, signal ? { signal } : {})
    } catch (error) {
      if (!mayFallBack(error)) throw error
      const recovery = this.#moving.then(() => this.#replace(session, error, signal))
      this.#moving = recovery.catch(() => {})
      await recovery
      return await this.#run(feeds, signal)
    }
  }

  /** Loads the model on a device behind that of a session which failed on its own, unless that was done already. */
  async #replace(session: Session, error: RuntimeError, signal: AbortSignal | undefined): Promise<void> {
    if (this.#session !== session) return
    const devices = resolveDevices(this.#choice)
    // A worker whose ONNX Runtime does not survive the loss of its GPU ends, and takes along models that don't need one.
    const failed = error.device === session.device
    const others = devices.slice(devices.indexOf(session.device) + Number(failed))
    if (others.length === 0) throw error
    const lost = failed ? [...this.deviceAttempts, { device: session.device, error }] : this.#lost
    await this.#reload(others, signal)
    this.#lost = lost
  }

  async #reload(
    device: NonNullable<SessionOptions["device"]>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    this.#requireLive()
    const origin = await this.#originFor(signal)
    const options = { ...origin.options, device }
    const moved = await openNetworkSession(this.#architecture, this.config, { ...origin, options })
    const before = this.#session
    this.#session = moved
    await Promise.all([before.dispose(), this.#vjp.dispose()])
  }

  async #openVjp(signal: AbortSignal): Promise<Session> {
    const { openVjpSession } = await import("./open-vjp-session.ts")
    const origin = await this.#originFor(signal)
    const options = { ...origin.options, device: this.#session.device }
    return openVjpSession(this.#architecture, this.config, { ...origin, options })
  }

  /** The text of `config.json`, byte for byte as Diffusers writes it for its own networks. */
  configText(): string {
    return this.#architecture.formatConfig(this.config)
  }

  /**
   * The checkpoint as Diffusers writes it (safetensors, piece by piece); undefined where the model came from an ONNX
   * graph without its PyTorch weights.
   */
  async safetensors(signal?: AbortSignal): Promise<AsyncGenerator<Uint8Array> | undefined> {
    const { checkpointChunks } = await import("./conversion.ts")
    return checkpointChunks(this.#architecture, this.config, await this.#originFor(signal))
  }

  /**
   * A self-contained ONNX file of the network, piece by piece, with float32 inputs and outputs.
   *
   * @throws InputError where there are neither PyTorch weights nor such a file.
   */
  async onnx(dtype: ModelDType = this.dtype, signal?: AbortSignal): Promise<AsyncGenerator<Uint8Array>> {
    const { onnxChunks } = await import("./conversion.ts")
    return onnxChunks(this.#architecture, this.config, await this.#originFor(signal), checkDType(dtype))
  }

  /** Frees the network's memory; a move that has begun ends first. Calling it again does nothing. */
  async dispose(): Promise<void> {
    this.#disposed = true
    await this.#moving
    await Promise.all([this.#session.dispose(), this.#vjp.dispose()])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }
  async #originFor(signal: AbortSignal | undefined): Promise<ModelOrigin> {
    const { repo, component, options } = this.#origin
    return {
      repo: await repo.reopened(signal),
      component,
      options: { ...options, ...(signal && { signal }) },
    }
  }

  #requireLive(): void {
    if (!this.#disposed) return
    throw new RuntimeError("DISPOSED", "The model has been disposed of.", { hint: "Load it again." })
  }
}
