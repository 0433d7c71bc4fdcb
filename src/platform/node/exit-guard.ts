// A thread that is ended inside of ONNX Runtime's native code takes the whole process down with it ("Napi::Error",
// exit code 134). So who ends the thread, process.exit included, first waits until it has come out of there.
import { setTimeout } from "node:timers/promises"

/** Memory in which a thread and its owner tell each other where they are. */
export type ExitGuard = Int32Array<SharedArrayBuffer>

// How many calls are in native code, and whether the owner wants to end the thread.
const inside = 0
const closing = 1

// The longest that an exit waits for one call: no evaluation of a network takes that long, but a stuck driver might.
const patience = 30_000

export function createExitGuard(): ExitGuard {
  return new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT))
}

/** In the thread: does `work`, which enters native code, unless the thread is about to end; then it never settles. */
export async function guarded<T>(guard: ExitGuard, work: () => Promise<T>): Promise<T> {
  Atomics.add(guard, inside, 1)
  try {
    if (Atomics.load(guard, closing) === 0) return await work()
  } finally {
    Atomics.sub(guard, inside, 1)
    Atomics.notify(guard, inside)
  }
  return new Promise<never>(() => {})
}

/** For the owner: waits until the thread can be ended, and keeps it from entering native code again. */
export async function readyToEnd(guard: ExitGuard): Promise<void> {
  Atomics.store(guard, closing, 1)
  while (Atomics.load(guard, inside) > 0) await setTimeout(2)
}

/** The same for an owner that can't await, since its process is ending: it blocks. */
export function readyToExit(guard: ExitGuard): void {
  Atomics.store(guard, closing, 1)
  const calls = Atomics.load(guard, inside)
  if (calls > 0) Atomics.wait(guard, inside, calls, patience)
}
