import { readFileSync } from "node:fs"
import { type ByteSource, bytesSource } from "../../src/platform/byte-source.ts"
import type { Tensor } from "../../src/tensor.ts"
import { WeightsError, type WeightsErrorCode } from "../../src/weights/errors.ts"

const folder = new URL("../fixtures/weights/", import.meta.url)

export function fixtureBytes(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(name, folder)))
}

export function fixture(name: string): ByteSource {
  return bytesSource(name, fixtureBytes(name))
}

/** What Python says a tensor holds; integers as text. */
export interface ExpectedTensor {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly values: readonly (number | string)[]
}

export const expectedTensors: ReadonlyMap<string, ExpectedTensor> = new Map(
  Object.entries(JSON.parse(readFileSync(new URL("values.json", folder), "utf8"))),
)

/** Elements in the form of {@link ExpectedTensor}; 16-bit floats have to be widened first. */
export function shownValues({ dtype, data }: Tensor): (number | string)[] {
  return Array.from<number | bigint, number | string>(data, value =>
    dtype.includes("float") ? Number(value) : String(value),
  )
}

/** The code of the WeightsError that `work` fails with, and its message. */
export async function failure(work: Promise<unknown>): Promise<{ code: WeightsErrorCode; message: string }> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof WeightsError) return { code: error.code, message: error.message }
  throw error ?? new Error("It did not fail.")
}
