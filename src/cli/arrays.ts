import { dirname } from "node:path"
import { makeDirectory, readFile, writeFileAtomic } from "#platform/files"
import { readNpy, writeNpy } from "../arrays/npy.ts"
import { readNpz, writeNpz } from "../arrays/npz.ts"
import { InputError } from "../errors.ts"
import type { Tensor } from "../tensor.ts"
import { isFloatType, toFloat32 } from "../weights/to-float32.ts"

const maxArrayBytes = 4 * 2 ** 30

/**
 * Reads an array from a `.npy` file, or from a `.npz` file that holds only one, or one called `name`.
 *
 * @throws FileError, ArrayFileError; InputError when the `.npz` file leaves open which is meant.
 */
export async function loadArray(path: string, name: string): Promise<Tensor> {
  const bytes = await readFile(path, { maxBytes: maxArrayBytes })
  if (!path.toLowerCase().endsWith(".npz")) return readNpy(bytes, path)
  const arrays = await readNpz(bytes, path)
  const [only] = arrays.values()
  const array = arrays.get(name) ?? (arrays.size === 1 ? only : undefined)
  if (array) return array
  const found = arrays.size === 0 ? "no arrays" : `the arrays ${[...arrays.keys()].join(", ")}`
  throw new InputError("INVALID_ARGUMENT", `${path} holds ${found}, but none is called ${name}.`, {
    hint: `Save it under that name: numpy.savez(path, ${name}=…).`,
  })
}

/** Reads numbers as float32, whatever type they are stored in; float64 is what NumPy makes by default. */
export async function loadFloats(path: string, name: string): Promise<Tensor<"float32">> {
  return asFloats(await loadArray(path, name))
}

/** The same numbers as float32. */
export function asFloats({ dtype, shape, data }: Tensor): Tensor<"float32"> {
  if (!isFloatType(dtype)) return { dtype: "float32", shape, data: Float32Array.from(data, Number) }
  const floats = new Float32Array(data.length)
  toFloat32({ dtype, shape, data }, floats)
  return { dtype: "float32", shape, data: floats }
}

/** Writes an array as a `.npy` file, or under `name` as a `.npz` file. */
export async function saveArray(path: string, name: string, array: Tensor): Promise<void> {
  const zipped = path.toLowerCase().endsWith(".npz")
  const bytes = zipped ? await writeNpz(new Map([[name, array]])) : writeNpy(array)
  await makeDirectory(dirname(path))
  await writeFileAtomic(path, bytes)
}
