import { throwIfAborted } from "../errors.ts"
import type { DType, Tensor } from "../tensor.ts"
import type { DeviceCommand, DeviceReply } from "./device-commands.ts"
import { RuntimeError } from "./errors.ts"
import type { Executor } from "./executor.ts"
import { abortable, type Session, type SessionPlace, tensorPlace } from "./session.ts"

/** A tensor that stays on the device. */
export interface DeviceTensor {
  readonly id: number
}

// Of all states, since they may share an executor.
let lastId = 0

/**
 * Tensors that stay on a session's device, and what is done with them there. Methods only note what is to be done;
 * {@link flush} has it done, in that order.
 */
export class DeviceState implements AsyncDisposable {
  readonly #executor: Executor
  readonly #gpu: number
  readonly #ids: number[] = []
  #commands: DeviceCommand[] = []

  private constructor({ executor, gpu }: SessionPlace) {
    this.#executor = executor
    this.#gpu = gpu
  }

  /** A state beside a session; `undefined` where tensors can't stay on its device. */
  static beside(session: Session): DeviceState | undefined {
    const place = tensorPlace(session)
    return place && new DeviceState(place)
  }

  /** A new tensor, of zeros where no data is given. */
  create<D extends DType>(dtype: D, shape: readonly number[], data?: Tensor<D>["data"]): DeviceTensor {
    const id = ++lastId
    this.#ids.push(id)
    this.#commands.push({ op: "create", id, dtype, shape, ...(data && { data }) })
    return { id }
  }

  write(tensor: DeviceTensor, data: Tensor["data"]): void {
    this.#commands.push({ op: "write", id: tensor.id, data })
  }

  /** A run of a session that lives in the same place. */
  run(
    session: Session,
    feeds: Readonly<Record<string, DeviceTensor>>,
    into: Readonly<Record<string, DeviceTensor>>,
  ): void {
    const place = tensorPlace(session)
    if (place?.executor !== this.#executor) {
      throw new RuntimeError("DISPOSED", "The session and the tensors are no longer in one place.")
    }
    this.#commands.push({ op: "run", model: place.model, feeds: idsOf(feeds), into: idsOf(into) })
  }

  /** A stream of PyTorch's numbers that goes on from a `TorchGenerator`'s state. */
  createTorchStream(torchState: Uint8Array): DeviceTensor {
    const id = ++lastId
    this.#ids.push(id)
    this.#commands.push({ op: "torchStream", id, state: torchState })
    return { id }
  }

  /** The next draw of a stream: one of PyTorch's numbers, or a tensor whose words are those of `noiseStream`. */
  draw(stream: DeviceTensor, into: DeviceTensor): void {
    this.#commands.push({ op: "noise", stream: stream.id, into: into.id })
  }

  read(tensor: DeviceTensor): void {
    this.#commands.push({ op: "read", id: tensor.id })
  }

  /** Does what was noted, and waits until the device has done it. */
  async flush(signal?: AbortSignal): Promise<DeviceReply> {
    throwIfAborted(signal)
    const commands = this.#commands
    this.#commands = []
    return abortable(this.#executor.perform(this.#gpu, [...commands, { op: "settle" }]), signal)
  }

  /** Frees the tensors. */
  async [Symbol.asyncDispose](): Promise<void> {
    // Where the device or the session is gone, they are too.
    await this.#executor.perform(this.#gpu, [{ op: "free", ids: this.#ids }]).catch(() => {})
  }
}

function idsOf(tensors: Readonly<Record<string, DeviceTensor>>): Record<string, number> {
  return Object.fromEntries(Object.entries(tensors).map(([name, { id }]) => [name, id]))
}
