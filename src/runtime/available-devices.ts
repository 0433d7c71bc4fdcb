import { knownDevices } from "#platform/ort"
import type { DeviceAttempt, ResolvedDevice } from "./device.ts"
import { RuntimeError } from "./errors.ts"
import { chooseExecutor } from "./executors.ts"
import type { SessionOptions } from "./session.ts"

/** What {@link availableDevices} found. */
export interface AvailableDevices {
  readonly available: readonly ResolvedDevice[]
  /** The others that this platform could have, and why each is not usable. */
  readonly unavailable: readonly DeviceAttempt[]
}

// An ONNX model, y = x for one float32. No list of drivers and libraries is as true as a session that works.
const smallestModel = Uint8Array.from(
  atob("CAg6PAoSCgF4EgF5IghJZGVudGl0eToAEgR0ZXN0Wg8KAXgSCgoICAESBAoCCAFiDwoBeRIKCggIARIECgIIAUIECgAQEg=="),
  character => character.charCodeAt(0),
)

/** Finds out where models can run, by loading the smallest of all models on every device. */
export async function availableDevices(
  options: Pick<SessionOptions, "ort" | "worker"> = {},
): Promise<AvailableDevices> {
  const executor = chooseExecutor(options)
  // Asked all at once, so that the worker doesn't end in between.
  const probes = await Promise.allSettled(
    knownDevices.map(device => executor.load({ source: { bytes: smallestModel }, devices: [device] })),
  )
  const available: ResolvedDevice[] = []
  const unavailable: DeviceAttempt[] = []
  for (const [index, probe] of probes.entries()) {
    const device = knownDevices[index]!
    if (probe.status === "fulfilled") {
      available.push(device)
      await executor.release(probe.value.id)
    } else if (probe.reason instanceof RuntimeError) {
      unavailable.push({ device, error: probe.reason })
    } else throw probe.reason
  }
  return { available, unavailable }
}
