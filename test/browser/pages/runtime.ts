// Runs in a page: sessions.
import { RuntimeError } from "../../../src/runtime/errors.ts"
import { createSession, type Session, type SessionOptions } from "../../../src/runtime/session.ts"
import { denoiserFeeds, denoiserModel, onnxModel } from "../../runtime/onnx-model.ts"

let session: Session

/** Loads the test model; returns its device, or the codes of the error and of those that led to it. */
export async function load(options: SessionOptions): Promise<string> {
  try {
    session = await createSession({ bytes: denoiserModel() }, options)
    return session.device
  } catch (error) {
    return codeOf(error)
  }
}

/** What the test model computes, or the error's code. */
export async function run(): Promise<number[] | string> {
  try {
    const { out_sample } = await session.run(denoiserFeeds())
    return Array.from(out_sample!.data, Number)
  } catch (error) {
    return codeOf(error)
  }
}

let done = 0

/** Runs the model again and again; returns the code of the error that ends it. */
export async function runUntilError(): Promise<string> {
  for (done = 0; ; done++) {
    const result = await run()
    if (typeof result === "string") return result
  }
}

export function runsDone(): number {
  return done
}

export function attempts(): string[] {
  return session.attempts.map(({ device, error }) => `${device}: ${error.code}`)
}

const createBuffer = GPUDevice.prototype.createBuffer

/**
 * Gives every buffer that a shader could see this size, from now on: SwiftShader has no memory for a whole GiB, and more is
 * beyond its limits. Undefined gives them their own again.
 */
export function setBufferSize(size: number | undefined): void {
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const forShaders = (descriptor.usage & GPUBufferUsage.STORAGE) !== 0
    return createBuffer.call(this, forShaders && size ? { ...descriptor, size } : descriptor)
  }
}

export async function dispose(): Promise<void> {
  await session.dispose()
}

/** Makes, runs and disposes of a session with `megabytes` of weights. */
export async function cycle(megabytes: number, options: SessionOptions): Promise<void> {
  const elements = megabytes * 2 ** 18
  const bytes = onnxModel({
    nodes: [{ op: "Mul", inputs: ["x", "w"], outputs: ["y"] }],
    inputs: [{ name: "x", dtype: "float32", shape: [1] }],
    outputs: [{ name: "y", dtype: "float32", shape: [elements] }],
    weights: { w: { dtype: "float32", shape: [elements], data: new Float32Array(elements) } },
  })
  await using heavy = await createSession({ bytes }, { ...options, transfer: true })
  await heavy.run({ x: { dtype: "float32", shape: [1], data: Float32Array.of(1) } })
}

function codeOf(error: unknown): string {
  if (!(error instanceof RuntimeError)) throw error
  return error.code
}
