import { DeviceMemory } from "./device-memory.ts"
import type { RuntimeError } from "./errors.ts"
import { deviceLostError } from "./ort-errors.ts"

// Milliseconds: what a call that is under way may take to end when the device is gone (the first one fetches ONNX
// Runtime's file), and the news of the loss after the failure that it led to.
const patience = 30_000
const lossDelay = 100

/** A GPU device that was made for the sessions of an ONNX Runtime: whether it is lost, and whether its memory sufficed. */
export class OrtGpu {
  readonly id: number
  readonly device: GPUDevice
  readonly #giveUp: (loss: RuntimeError) => void
  readonly #waiting = new Set<() => void>()
  #loss: RuntimeError | undefined
  #memory: DeviceMemory | undefined

  /** @param giveUp - Hears that the device is lost and ONNX Runtime doesn't come back from a call. */
  constructor(id: number, device: GPUDevice, giveUp: (loss: RuntimeError) => void) {
    this.id = id
    this.device = device
    this.#giveUp = giveUp
    void device.lost.then(({ message, reason }) => {
      this.#loss = deviceLostError(new Error(message || reason), "webgpu")
      for (const stop of this.#waiting) stop()
    })
  }

  /** Whether nothing can be computed on it any more. */
  get lost(): boolean {
    return this.#loss !== undefined
  }

  /** The tensors that stay on it. */
  get memory(): DeviceMemory {
    this.#memory ??= new DeviceMemory(this.device)
    return this.#memory
  }

  /**
   * Does work with the device, one piece at a time. Once that has failed for the device's sake, `undo` gets rid of what
   * came out.
   *
   * @throws RuntimeError `DEVICE_LOST`; an error that says “out of memory” when there was too little for a buffer; one
   *   with the device's words when it refused a part of the work; what `work` throws.
   */
  async during<T>(work: () => Promise<T>, undo?: (result: T) => Promise<void>): Promise<T> {
    if (this.#loss) throw this.#loss
    // WebGPU hands out buffers that it has no memory for, and leaves out work beyond its limits, with which ONNX Runtime
    // goes on; it tells those who ask.
    for (const kind of ["validation", "out-of-memory"] as const) this.device.pushErrorScope(kind)
    const working = settled(work())
    // The device may be gone without an answer to what it was asked.
    const first = await this.#unlessLost(working)
    const outcome = first ?? (await Promise.race([working, pause(patience)]))
    if (!outcome) {
      this.#giveUp(this.#loss!)
      throw this.#loss
    }
    const pop = (): Promise<GPUError | null> => this.device.popErrorScope().catch(() => null)
    const [full, refusal] = (await this.#unlessLost(Promise.all([pop(), pop()]))) ?? []
    if (!outcome.done) await this.#unlessLost(pause(lossDelay))
    const fault = full ? `out of memory: ${full.message}` : refusal?.message
    const failure = this.#loss ?? (fault === undefined ? undefined : new Error(fault))
    if (failure && outcome.done) await undo?.(outcome.result)
    if (failure) throw failure
    if (!outcome.done) throw outcome.error
    return outcome.result
  }

  /**
   * Does work that frees what is on the device, which may be lost: then nobody hears of it, and it may never end.
   *
   * @throws What `work` throws on a device that isn't lost.
   */
  async freeing(work: () => Promise<void>): Promise<void> {
    const working = settled(work())
    const outcome = (await this.#unlessLost(working)) ?? (await Promise.race([working, pause(patience)]))
    if (!outcome) this.#giveUp(this.#loss!)
    else if (!outcome.done && !this.#loss) throw outcome.error
  }

  /** Gives back the device with all that is on it. */
  close(): void {
    this.device.destroy()
  }

  /** What `work` comes to, or undefined as soon as the device is lost. */
  async #unlessLost<T>(work: Promise<T>): Promise<T | undefined> {
    if (this.#loss) return undefined
    let stop = (): void => {}
    const lost = new Promise<undefined>(resolve => {
      stop = () => resolve(undefined)
      this.#waiting.add(stop)
    })
    try {
      return await Promise.race([work, lost])
    } finally {
      this.#waiting.delete(stop)
    }
  }
}

type Outcome<T> =
  | { readonly done: true; readonly result: T }
  | { readonly done: false; readonly error: unknown }

function settled<T>(work: Promise<T>): Promise<Outcome<T>> {
  return work.then(
    result => ({ done: true, result }),
    error => ({ done: false, error }),
  )
}

function pause(milliseconds: number): Promise<undefined> {
  return new Promise(resolve => setTimeout(() => resolve(undefined), milliseconds))
}
