// What this device can do, found out without loading anything.
import { signal } from "@preact/signals"

export interface Abilities {
  /** What the adapter calls itself; absent without one. */
  readonly webgpu?: string | undefined
  /** Whether the adapter computes in half precision. */
  readonly float16?: boolean | undefined
  readonly threads: number
  readonly isolated: boolean
  /** In GiB, as far as the browser tells: powers of two, up to a limit. */
  readonly memory?: number | undefined
  /** What the site may store in addition to what it has stored, in bytes. */
  readonly room?: number | undefined
  readonly stored?: number | undefined
}

export const abilities = signal<Abilities | undefined>(undefined)

/** Asks the browser. */
export async function findAbilities(): Promise<void> {
  const [adapter, estimate, stores] = await Promise.all([
    navigator.gpu?.requestAdapter().catch(() => null),
    navigator.storage?.estimate().catch(() => undefined),
    globalThis.caches?.keys().catch(() => []),
  ])
  const { vendor = "", architecture = "", description = "" } = adapter?.info ?? {}
  const name = description || [vendor, architecture].filter(part => part !== "").join(" ")
  abilities.value = {
    webgpu: adapter ? name || "an adapter without a name" : undefined,
    float16: adapter?.features.has("shader-f16"),
    // As the library chooses them.
    threads: crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, 4) : 1,
    isolated: crossOriginIsolated,
    memory: (navigator as { deviceMemory?: number }).deviceMemory,
    room: estimate?.quota === undefined ? undefined : estimate.quota - (estimate.usage ?? 0),
    // What was deleted counts as used until the browser has tidied up.
    stored: stores?.length ? estimate?.usage : 0,
  }
}
