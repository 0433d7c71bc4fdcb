import { readFile, writeFileAtomic } from "#platform/files"
import { readNpy, writeNpy } from "../arrays/npy.ts"
import { writeNpz } from "../arrays/npz.ts"
import { InputError } from "../errors.ts"
import type { Tensor } from "../tensor.ts"

const maxArrayBytes = 4 * 2 ** 30

/** Reads an array from a `.npy` file. */
export async function loadArray(path: string): Promise<Tensor> {
  return readNpy(await readFile(path, { maxBytes: maxArrayBytes }), path)
}

/** Reads floats from a `.npy` file; float64, NumPy's default, is rounded to float32. */
export async function loadFloats(path: string): Promise<Tensor<"float32">> {
  const { dtype, shape, data } = await loadArray(path)
  if (dtype === "float32") return { dtype, shape, data: data as Float32Array }
  if (dtype === "float64" || dtype === "int64" || dtype === "int32") {
    return { dtype: "float32", shape, data: Float32Array.from(data as ArrayLike<number | bigint>, Number) }
  }
  throw new InputError("INVALID_ARGUMENT", `${path} holds ${dtype} numbers, but floats are needed.`)
}

/** Writes an array as a `.npy` file. */
export async function saveArray(path: string, tensor: Tensor): Promise<void> {
  await writeFileAtomic(path, writeNpy(tensor))
}

/** Writes named arrays as a `.npz` file. */
export async function saveArrays(path: string, arrays: Readonly<Record<string, Tensor>>): Promise<void> {
  await writeFileAtomic(path, writeNpz(new Map(Object.entries(arrays))))
}
