import { formatConfig } from "../../config/config.ts"
import type { WarningHandler } from "../../config/warnings.ts"
import { InputError } from "../../errors.ts"
import { encodeInline } from "../../graph/encode.ts"
import { findWeights, type WeightsChoice } from "../../hub/component-files.ts"
import { HubError } from "../../hub/errors.ts"
import { openRepo } from "../../hub/open-repo.ts"
import type { HubOptions } from "../../hub/options.ts"
import type { Repo } from "../../hub/repo.ts"
import type { Session, SessionOptions } from "../../runtime/session.ts"
import { elementCount, type Tensor } from "../../tensor.ts"
import { writeSafetensors } from "../../weights/safetensors-writer.ts"
import type { WeightsFile } from "../../weights/weights-file.ts"
import { byteChunks } from "../byte-chunks.ts"
import { finiteWeights, openCheckpoint, parameterShapes, type TensorFiles } from "../checkpoint.ts"
import { type UNet2DConfig, unet2dConfigSpec } from "./config.ts"
import { checkSample, labelTensor, type Timestep, timestepTensor, toDType } from "./feeds.ts"
import { inferenceGraph, type ModelDType, openUNet2DSession, pictureSize, readUNet2DConfig } from "./load.ts"
import { unet2dGraph, unet2dNames } from "./network.ts"

/** Where the model runs. */
export type DeviceOptions = Pick<SessionOptions, "device" | "worker" | "threads" | "ort" | "sessionOptions">

/** How a model is found, read and run. */
export interface ModelOptions extends HubOptions, Omit<WeightsChoice, "dtype">, DeviceOptions {
  /** Element type of the computation; inputs and outputs stay float32. Default `"fp32"`. */
  readonly dtype?: ModelDType
  /** Height and width of the pictures, where they shall differ from the configuration's `sampleSize`. */
  readonly size?: readonly [height: number, width: number]
  /** Hears what was worked around. Default: each distinct warning once on the console. */
  readonly onWarning?: WarningHandler
}

export interface ForwardOptions {
  /** For a class-conditional model: labels [N], or embeddings [N, E] where `classEmbedType` is `"identity"`. */
  readonly classLabels?: Tensor
  readonly signal?: AbortSignal
}

/** What a model was loaded from, and how. */
export interface ModelOrigin {
  readonly repo: Repo
  /** The component's name in the repository; empty for a repository that is the model. */
  readonly component: string
  readonly options: ModelOptions
}

/**
 * Diffusers' `UNet2DModel`: the network of the unconditional models (NCSN++, DDPM, …) on ONNX Runtime.
 *
 * ```ts
 * const unet = await UNet2DModel.fromPretrained("google/ncsnpp-ffhq-1024")
 * const score = await unet.forward(sample, 1348)
 * ```
 */
export class UNet2DModel implements AsyncDisposable {
  static readonly className: string = unet2dConfigSpec.className

  readonly config: UNet2DConfig
  /** Height and width of the pictures. */
  readonly size: readonly [height: number, width: number]
  readonly dtype: ModelDType
  #session: Session
  readonly #origin: ModelOrigin

  private constructor(config: UNet2DConfig, session: Session, origin: ModelOrigin) {
    this.config = config
    this.size = pictureSize(config, origin.options.size)
    this.dtype = origin.options.dtype ?? "fp32"
    this.#session = session
    this.#origin = origin
  }

  /**
   * Loads a model from a Hub id or a folder: an ONNX graph where the repository holds one, else its PyTorch weights,
   * which are converted.
   *
   * @throws HubError, ConfigError, WeightsError, RuntimeError; AbortError.
   */
  static async fromPretrained(idOrPath: string, options: ModelOptions = {}): Promise<UNet2DModel> {
    return UNet2DModel.fromRepo(await openRepo(idOrPath, options), "", options)
  }

  /** Loads a component of an open repository: from the folder of its name, or from the root where there is none. */
  static async fromRepo(repo: Repo, component: string, options: ModelOptions = {}): Promise<UNet2DModel> {
    const origin = { repo, component, options }
    const config = await readUNet2DConfig(origin)
    return new UNet2DModel(config, await openUNet2DSession(config, origin), origin)
  }

  /** The device that the network runs on. */
  get device(): Session["device"] {
    return this.#session.device
  }

  /** The devices that were tried before it, and why each failed. */
  get deviceAttempts(): Session["attempts"] {
    return this.#session.attempts
  }

  /**
   * One evaluation of the network.
   *
   * @param sample - [N, inChannels, H, W].
   * @returns [N, outChannels, H, W]: the score for a Fourier model, else what the model was trained to predict.
   * @throws InputError `SHAPE_MISMATCH`, `INVALID_ARGUMENT`; RuntimeError; AbortError.
   */
  async forward(
    sample: Tensor<"float32">,
    timestep: Timestep,
    options: ForwardOptions = {},
  ): Promise<Tensor<"float32">> {
    const { classLabels, signal } = options
    const batch = sample.shape[0] ?? 0
    checkSample(sample, this.config.inChannels, this.size)
    const feeds: Record<string, Tensor> = {}
    for (const { name, dtype, shape } of this.#session.inputs) {
      if (name === unet2dNames.sample) feeds[name] = toDType(sample, dtype)
      else if (name === unet2dNames.timestep)
        feeds[name] = timestepTensor(timestep, batch, dtype, shape.length)
      else if (name === unet2dNames.classLabels) feeds[name] = labelTensor(classLabels)
    }
    if (classLabels && !(unet2dNames.classLabels in feeds)) {
      throw new InputError("INVALID_ARGUMENT", "classLabels were given, but the model takes none.")
    }
    const outputs = await this.#session.run(feeds, signal ? { signal } : {})
    const [output] = Object.values(outputs)
    return toDType(output!, "float32") as Tensor<"float32">
  }

  /** Number of trained numbers. */
  get parameterCount(): number {
    const graph = unet2dGraph(this.config, this.size)
    return [...parameterShapes(graph).values()].reduce((sum, shape) => sum + elementCount(shape), 0)
  }

  /** Moves the model to another device. When that fails it stays where it is. */
  async to(device: NonNullable<SessionOptions["device"]>): Promise<this> {
    const options = { ...this.#origin.options, device }
    const moved = await openUNet2DSession(this.config, { ...this.#origin, options })
    const before = this.#session
    this.#session = moved
    await before.dispose()
    return this
  }

  /** The text of `config.json`, byte for byte as Diffusers writes it. */
  configText(): string {
    return formatConfig(this.config)
  }

  /**
   * The checkpoint as Diffusers writes it (safetensors, piece by piece); undefined where the model came from an ONNX
   * graph without its PyTorch weights.
   */
  async safetensors(signal?: AbortSignal): Promise<AsyncGenerator<Uint8Array> | undefined> {
    const weights = await this.#openWeights(signal)
    if (!weights) return undefined
    const tensors = [...parameterShapes(unet2dGraph(this.config, this.size)).keys()].map(name => ({
      ...weights.tensors.get(name)!,
      read: (abort: AbortSignal | undefined) => weights.read(name, abort),
    }))
    return closing(weights, writeSafetensors(tensors, { format: "pt" }, signal))
  }

  /**
   * A self-contained ONNX file of the network, piece by piece, with float32 inputs and outputs.
   *
   * @throws InputError where there are neither PyTorch weights nor such a file.
   */
  async onnx(dtype: ModelDType = this.dtype, signal?: AbortSignal): Promise<AsyncGenerator<Uint8Array>> {
    const { repo, component, options } = this.#origin
    const weights = await this.#openWeights(signal)
    if (weights) {
      return closing(
        weights,
        encodeInline(inferenceGraph(this.config, this.size, dtype), finiteWeights(weights), signal),
      )
    }
    const files = findWeights(repo, component, { ...options, dtype })
    if (files.format === "onnx" && files.externalData.length === 0) {
      const source = await repo.open(files.path)
      return closing(source, byteChunks(source, signal))
    }
    throw new InputError(
      "INVALID_ARGUMENT",
      `${repo.id} holds no PyTorch weights to make a ${dtype} graph from.`,
      {
        hint: "Load the model from a repository with safetensors or .bin weights.",
      },
    )
  }

  async #openWeights(signal: AbortSignal | undefined): Promise<WeightsFile | undefined> {
    const { repo, component, options } = this.#origin
    const files = weightsOf(repo, component, options)
    const graph = unet2dGraph(this.config, this.size)
    return files && (await openCheckpoint(repo, files, graph, { ...options, ...(signal && { signal }) }))
  }

  /** Frees the network's memory. Calling it again does nothing. */
  async dispose(): Promise<void> {
    await this.#session.dispose()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }
}

function weightsOf(repo: Repo, component: string, options: ModelOptions): TensorFiles | undefined {
  try {
    const files = findWeights(repo, component, { ...options, useOnnx: false })
    return files.format === "onnx" ? undefined : files
  } catch (error) {
    if (error instanceof HubError && error.code === "WEIGHTS_NOT_FOUND") return undefined
    throw error
  }
}

/** The pieces, and the end of the file that they come from when they have been read or are no longer wanted. */
async function* closing(
  file: { close(): Promise<void> },
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces
  } finally {
    await file.close()
  }
}
