import type { ResolvedDevice } from "./device.ts"
import type { RuntimeError } from "./errors.ts"
import { deviceLostError } from "./ort-errors.ts"

/**
 * Whether the device that an ONNX Runtime computes on has gone away. What it is asked from then on may never be
 * answered, so calls to it are raced against the loss.
 */
export class DeviceLoss {
  #error: RuntimeError | undefined
  readonly #watched = new WeakSet<GPUDevice>()
  readonly #handlers = new Set<(error: RuntimeError) => void>()

  /** What every further call ends in, once the device is lost. */
  get error(): RuntimeError | undefined {
    return this.#error
  }

  /** Hears of the loss. */
  listen(handler: (error: RuntimeError) => void): void {
    if (this.#error) handler(this.#error)
    else this.#handlers.add(handler)
  }

  /** Watches a device; one that is destroyed while nothing needs it isn't lost. */
  watch(gpu: GPUDevice, device: ResolvedDevice, isNeeded: () => boolean): void {
    if (this.#watched.has(gpu)) return
    this.#watched.add(gpu)
    gpu.lost.then(info => {
      if (isNeeded()) this.declare(deviceLostError(new Error(info.message || info.reason), device))
    })
  }

  declare(error: RuntimeError): void {
    if (this.#error) return
    this.#error = error
    for (const handler of this.#handlers) handler(error)
    this.#handlers.clear()
  }

  /** Does `work`, or rejects as soon as the device is lost. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#error) throw this.#error
    let stop = (_: RuntimeError): void => {}
    const lost = new Promise<never>((_, reject) => {
      stop = reject
      this.#handlers.add(reject)
    })
    try {
      return await Promise.race([work(), lost])
    } finally {
      this.#handlers.delete(stop)
    }
  }
}
