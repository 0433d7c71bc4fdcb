import { ScoreSdeError, type ScoreSdeErrorOptions } from "../errors.ts"
import type { DeviceAttempt, ResolvedDevice } from "./device.ts"

export type RuntimeErrorCode =
  /** No device of the list could make the session; `attempts` says why for each. */
  | "DEVICE_UNAVAILABLE"
  /** The device went away while in use. */
  | "DEVICE_LOST"
  /** ONNX Runtime refused the model: not ONNX, an unknown operator, a broken graph, missing weights. */
  | "MODEL_INVALID"
  /** The model file is not there, or can't be read. */
  | "MODEL_NOT_FOUND"
  /** A fed tensor does not fit the model: unknown or missing name, element type, rank or size. */
  | "INPUT_MISMATCH"
  | "RUN_FAILED"
  | "OUT_OF_MEMORY"
  | "DISPOSED"
  /** The worker thread ended while it had work. */
  | "WORKER_DIED"
  /** The worker thread could not be started. */
  | "WORKER_UNAVAILABLE"

export interface RuntimeErrorOptions extends ScoreSdeErrorOptions {
  readonly device?: ResolvedDevice
  readonly attempts?: readonly DeviceAttempt[]
}

/** What went wrong while a model was loaded or run. */
export class RuntimeError extends ScoreSdeError<RuntimeErrorCode> {
  override readonly name: string = "RuntimeError"
  /** The device that it happened on, where one is meant. */
  readonly device: ResolvedDevice | undefined
  /** The devices that were tried in vain for a model, and why each failed. */
  readonly attempts: readonly DeviceAttempt[]

  constructor(code: RuntimeErrorCode, message: string, options: RuntimeErrorOptions = {}) {
    super(code, message, options)
    this.device = options.device
    this.attempts = options.attempts ?? []
  }
}
