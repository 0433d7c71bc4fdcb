import { autoDevices } from "#platform/ort"
import { InputError } from "../errors.ts"
import { devices, type ResolvedDevice } from "../platform/device.ts"
import type { RuntimeError } from "./errors.ts"

export type { ResolvedDevice } from "../platform/device.ts"

/**
 * A device as users name it. `auto` is, in Node, CUDA, DirectML or CoreML where they are usable, then the CPU,
 * and WebAssembly when the native binary is missing; in browsers WebGPU, then WebAssembly.
 * WebGPU in Node is experimental and only used when asked for.
 */
export type Device = "auto" | ResolvedDevice

/** A device that was tried in vain. */
export interface DeviceAttempt {
  readonly device: ResolvedDevice
  readonly error: RuntimeError
}

/**
 * The devices that a choice stands for, in the order in which they are tried.
 *
 * @throws InputError `INVALID_ARGUMENT` for an unknown name or an empty list.
 */
export function resolveDevices(choice: Device | readonly Device[]): ResolvedDevice[] {
  const names = [choice].flat()
  const unknown = names.find(name => name !== "auto" && !devices.includes(name))
  if (names.length === 0 || unknown !== undefined) {
    const problem = unknown === undefined ? "The list of devices is empty" : `There is no device "${unknown}"`
    throw new InputError("INVALID_ARGUMENT", `${problem}; the names are auto, ${devices.join(", ")}.`)
  }
  return [...new Set(names.flatMap(name => (name === "auto" ? autoDevices : name)))]
}
