import { openFile, statFile } from "#platform/files"
import { checkOptions, flag, number, type OptionList, object, text } from "../../check-options.ts"
import { InputError } from "../../errors.ts"
import { HubError } from "../../hub/errors.ts"
import { type ModelLocation, openRepo } from "../../hub/open-repo.ts"
import { type HubOptions, hubOptions } from "../../hub/options.ts"
import type { Repo } from "../../hub/repo.ts"
import type { ByteSource } from "../../platform/byte-source.ts"
import { createSession, type Session } from "../../runtime/session.ts"
import type { Tensor } from "../../tensor.ts"
import { checkLabels } from "../class-labels.ts"
import { runVjp } from "../vjp-session.ts"
import type { WideResnetPictures } from "./checkpoint.ts"
import type { WideResnetConfig } from "./network.ts"

/** A classifier of noisy pictures, as guidance needs it. Any object that does this is one. */
export interface NoisyClassifier {
  readonly numClasses: number
  /** What one picture is shaped like; undefined for a classifier that takes any. */
  readonly shape?: readonly [channels: number, height: number, width: number] | undefined
  /**
   * ∇ₓ log p(y | x, σ), shaped like x.
   *
   * @param x - [N, C, H, W]: pictures in [0, 1], plus noise.
   * @param sigma - The deviation of the noise in each picture.
   * @param labels - The class y of each picture, from 0.
   */
  gradient(
    x: Tensor<"float32">,
    sigma: Float32Array,
    labels: readonly number[],
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Tensor<"float32">>
}

/** How a classifier is found, read and run. */
export interface ClassifierOptions
  extends HubOptions,
    WideResnetPictures,
    Pick<
      Parameters<typeof createSession>[1] & object,
      "device" | "worker" | "threads" | "ort" | "sessionOptions"
    > {
  /** The checkpoint's name in the repository. Default: its only weights, or score_sde's `checkpoint_N` of the last N. */
  readonly file?: string | undefined
}

const classifierOptions: OptionList<ClassifierOptions> = {
  type: "ClassifierOptions",
  options: {
    ...hubOptions.options,
    device: true,
    worker: flag,
    threads: true,
    ort: object,
    sessionOptions: object,
    imageSize: number,
    pixelMean: true,
    pixelStd: true,
    file: text,
  },
}

/**
 * score_sde's noise-conditional classifier, a wide residual network that is told the noise level (Song et al. 2021,
 * appendix I.1), on ONNX Runtime.
 *
 * ```ts
 * const classifier = await NoiseConditionalClassifier.fromPretrained("exp/classifier/wideresnet_noise_conditional")
 * const pipe = new ScoreSdeClassConditionalPipeline(model, { classifier })
 * ```
 */
export class NoiseConditionalClassifier implements NoisyClassifier, AsyncDisposable {
  readonly config: WideResnetConfig
  readonly #session: Session

  private constructor(config: WideResnetConfig, session: Session) {
    this.config = config
    this.#session = session
  }

  /**
   * Loads a classifier: from a checkpoint's path, from a folder or a Hub id. It can be score_sde's own checkpoint (Flax),
   * or the same tensors as safetensors or `.pth`. The widths and the classes are told by the tensors; the pictures' side
   * and their normalisation are those of CIFAR-10 unless given.
   *
   * @throws HubError, FileError, WeightsError, RuntimeError; InputError `INVALID_ARGUMENT`; AbortError.
   */
  static async fromPretrained(
    location: ModelLocation,
    options: ClassifierOptions = {},
  ): Promise<NoiseConditionalClassifier> {
    checkOptions("fromPretrained", options, classifierOptions)
    const { signal } = options
    // The graph code is loaded when it is needed.
    const { openWideResnet } = await import("./checkpoint.ts")
    const { wideResnetModel } = await import("./convert.ts")
    const { config, weights } = await openWideResnet(await openSource(location, options), options, signal)
    try {
      const { device, worker, threads, ort, sessionOptions } = options
      const session = await createSession(await wideResnetModel(config, weights, signal), {
        ...(device !== undefined && { device }),
        ...(worker !== undefined && { worker }),
        ...(threads !== undefined && { threads }),
        ...(ort !== undefined && { ort }),
        ...(sessionOptions !== undefined && { sessionOptions }),
        ...(signal && { signal }),
        transfer: true,
      })
      return new NoiseConditionalClassifier(config, session)
    } finally {
      await weights.close()
    }
  }

  get numClasses(): number {
    return this.config.numClasses
  }

  get shape(): readonly [channels: number, height: number, width: number] {
    const { numChannels, imageSize } = this.config
    return [numChannels, imageSize, imageSize]
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
   * log p(y | x, σ) of all classes, [N, classes].
   *
   * @param x - [N, C, H, W]: pictures in [0, 1], plus noise of deviation `sigma`.
   * @throws InputError `SHAPE_MISMATCH`; RuntimeError; AbortError.
   */
  async logProbs(
    x: Tensor<"float32">,
    sigma: Float32Array,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Tensor<"float32">> {
    return (await this.#run(x, sigma, () => undefined, signal)).output
  }

  /** @throws InputError `SHAPE_MISMATCH`, `INVALID_ARGUMENT` for a label that is none; RuntimeError; AbortError. */
  async gradient(
    x: Tensor<"float32">,
    sigma: Float32Array,
    labels: readonly number[],
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Tensor<"float32">> {
    checkLabels(labels, this.numClasses, "the classifier's")
    return (await this.#run(x, sigma, picture => labels[picture], signal)).vjp
  }

  /** Frees the network. Calling it again does nothing. */
  async dispose(): Promise<void> {
    await this.#session.dispose()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }

  async #run(
    x: Tensor<"float32">,
    sigma: Float32Array,
    label: (picture: number) => number | undefined,
    signal: AbortSignal | undefined,
  ) {
    const [count = 0, ...picture] = x.shape
    if (picture.join() !== this.shape.join() || sigma.length !== count) {
      throw new InputError(
        "SHAPE_MISMATCH",
        `The classifier takes [N, ${this.shape.join(", ")}] and N noise levels, not [${x.shape.join(", ")}] and ${sigma.length}.`,
      )
    }
    const classes = this.numClasses
    const chosen = new Float32Array(count * classes)
    for (let i = 0; i < count; i++) {
      const y = label(i)
      if (y !== undefined) chosen[i * classes + y] = 1
    }
    const timestep = { dtype: "float32", shape: [count], data: sigma } as const
    const cotangent = { dtype: "float32", shape: [count, classes], data: chosen } as const
    return await runVjp(this.#session, { sample: x, timestep }, cotangent, signal)
  }
}

async function openSource(location: ModelLocation, options: ClassifierOptions): Promise<ByteSource> {
  if (typeof location === "string" && (await statFile(location))?.kind === "file") return openFile(location)
  const repo = await openRepo(location, options)
  return repo.open(checkpointPath(repo, options.file))
}

function checkpointPath(repo: Repo, file: string | undefined): string {
  if (file !== undefined) return file
  const paths = repo.files.map(({ path }) => path)
  for (const ending of [/\.safetensors$/, /\.(?:pth|pt|bin)$/]) {
    const [only, ...more] = paths.filter(path => ending.test(path))
    if (only === undefined) continue
    if (more.length === 0) return only
    throw new InputError(
      "INVALID_ARGUMENT",
      `${repo.id} holds several files of weights: ${[only, ...more].slice(0, 5).join(", ")}.`,
      { hint: "Name the classifier's with `file`." },
    )
  }
  const number = (path: string) => Number(/(?:^|\/)checkpoint_(\d+)$/.exec(path)?.[1] ?? Number.NaN)
  const [last] = paths.filter(path => number(path) >= 0).sort((a, b) => number(b) - number(a))
  if (last !== undefined) return last
  throw new HubError("ENTRY_NOT_FOUND", `${repo.id} holds no checkpoint of a classifier.`, {
    hint: "It is a .safetensors or .pth file, or score_sde's checkpoint_N.",
  })
}
