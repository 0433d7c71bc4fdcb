import { RandomError } from "./errors.ts"
import { Mt19937 } from "./mt19937.ts"

/** What PyTorch's CPU generator remembers. */
export interface TorchState {
  readonly seed: bigint
  readonly engine: Mt19937
  /** The second number of the last pair that was made one by one. */
  readonly cachedNormal: number | undefined
}

const words = 624
const byteLength = 5056
const offset = { seed: 0, left: 8, seeded: 12, next: 16, words: 24, normal: 5024, hasNormal: 5040 }

/** The bytes that `torch.Generator.get_state()` gives. */
export function encodeTorchState({ seed, engine, cachedNormal }: TorchState): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(byteLength))
  view.setBigUint64(offset.seed, seed, true)
  view.setInt32(offset.left, words + 1 - engine.position, true)
  view.setInt32(offset.seeded, 1, true)
  view.setBigUint64(offset.next, BigInt(engine.position), true)
  for (const [i, word] of engine.words.entries()) view.setUint32(offset.words + 8 * i, word, true)
  view.setFloat64(offset.normal, cachedNormal ?? 0, true)
  view.setInt32(offset.hasNormal, cachedNormal === undefined ? 0 : 1, true)
  return new Uint8Array(view.buffer)
}

/**
 * Reads what {@link encodeTorchState} or PyTorch wrote.
 *
 * @throws RandomError `INVALID_STATE`
 */
export function decodeTorchState(bytes: Uint8Array): TorchState {
  if (bytes.length !== byteLength) throw invalidState(`has ${bytes.length} bytes, not ${byteLength}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const left = view.getInt32(offset.left, true)
  const seeded = view.getInt32(offset.seeded, true)
  const cachedNormal = view.getFloat64(offset.normal, true)
  const hasNormal = view.getInt32(offset.hasNormal, true)
  if (seeded !== 1 || left < 1 || left > words || (hasNormal !== 0 && !Number.isFinite(cachedNormal))) {
    throw invalidState("holds values that no generator has")
  }
  const engineWords = Uint32Array.from({ length: words }, (_, i) =>
    view.getUint32(offset.words + 8 * i, true),
  )
  return {
    seed: view.getBigUint64(offset.seed, true),
    engine: Mt19937.from(engineWords, words + 1 - left),
    cachedNormal: hasNormal === 0 ? undefined : cachedNormal,
  }
}

function invalidState(what: string): RandomError {
  return new RandomError("INVALID_STATE", `The state ${what}.`, {
    hint: "Give the bytes of getState(), or of PyTorch's get_state() for a generator on the CPU.",
  })
}
