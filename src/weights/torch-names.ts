import type { DType } from "../tensor.ts"
import { NumpyType, numpyScalar } from "./numpy-scalar.ts"
import { TorchStorage, TorchTensor } from "./torch-tensor.ts"
import {
  PickleFunction,
  type PickleKey,
  type PickleNames,
  PickleObject,
  PickleRefusal,
  type PickleValue,
  requireKey,
} from "./unpickler.ts"

/** The class of a storage; only its element type matters. */
class StorageType extends PickleObject {
  readonly dtype: DType

  constructor(dtype: DType) {
    super()
    this.dtype = dtype
  }
}

const storageTypes: ReadonlyMap<string, DType> = new Map<string, DType>([
  ["FloatStorage", "float32"],
  ["DoubleStorage", "float64"],
  ["HalfStorage", "float16"],
  ["BFloat16Storage", "bfloat16"],
  ["LongStorage", "int64"],
  ["IntStorage", "int32"],
  ["ShortStorage", "int16"],
  ["CharStorage", "int8"],
  ["ByteStorage", "uint8"],
  ["BoolStorage", "bool"],
])

/** Types as values; a few optimizers keep one in their options. */
const typeNames: ReadonlySet<string> = new Set(
  ["float16", "bfloat16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool"].map(
    name => `torch.${name}`,
  ),
)

/** Python 3 makes an empty dictionary and sets its items; Python 2 gives a list of pairs. */
const newDictionary = new PickleFunction(([pairs = []]) => {
  if (!Array.isArray(pairs)) throw new PickleRefusal("an ordered dictionary that is not made from a list")
  const dictionary = new Map<PickleKey, PickleValue>()
  // The list is emptied, so that no pickle can have one long list copied over and over.
  for (const pair of pairs.splice(0)) {
    const [key, value] = Array.isArray(pair) ? pair : []
    if (key === undefined || value === undefined) throw new PickleRefusal("an item that is no pair")
    dictionary.set(requireKey(key), value)
  }
  return dictionary
})

const rebuildTensor = new PickleFunction(
  ([storage, offset, shape, strides]) => new TorchTensor(storage, offset, shape, strides),
)

const rebuildParameter = new PickleFunction(([tensor]) => requireTensor(tensor))

/** Arguments: the function that rebuilds the tensor, its class, the function's arguments, attributes. */
const rebuildFromType = new PickleFunction(([rebuild, , args]) => {
  if (rebuild !== rebuildTensor || !Array.isArray(args)) {
    throw new PickleRefusal("a tensor of an unknown kind")
  }
  return rebuildTensor.call(args)
})

function requireTensor(value: PickleValue | undefined): TorchTensor {
  if (value instanceof TorchTensor) return value
  throw new PickleRefusal("a parameter that is no tensor")
}

const tensorClass = new PickleFunction(() => {
  throw new PickleRefusal("a tensor made by its class")
})

/** More than any number has, and little enough that a pickle which repeats it stays harmless. */
const maxEncodedBytes = 1024

/** `codecs.encode(text, "latin1")`: how protocol 2 writes bytes, here those of NumPy's numbers. */
const encodeLatin1 = new PickleFunction(([text, encoding]) => {
  if (typeof text !== "string" || encoding !== "latin1") throw new PickleRefusal("bytes in another encoding")
  if (text.length > maxEncodedBytes) throw new PickleRefusal(`${text.length} bytes written as text`)
  return Uint8Array.from(text, character => character.charCodeAt(0))
})

/** All names that a plain checkpoint needs, and what we make of them. None leads to code of another. */
const allowed: ReadonlyMap<string, PickleValue> = new Map<string, PickleValue>([
  ["collections.OrderedDict", newDictionary],
  ["torch._utils._rebuild_tensor_v2", rebuildTensor],
  ["torch._utils._rebuild_tensor", rebuildTensor],
  ["torch._utils._rebuild_parameter", rebuildParameter],
  ["torch._utils._rebuild_parameter_with_state", rebuildParameter],
  ["torch._tensor._rebuild_from_type_v2", rebuildFromType],
  ["torch.Tensor", tensorClass],
  ["torch.nn.parameter.Parameter", tensorClass],
  ["torch.Size", new PickleFunction(([sizes]) => sizes ?? [])],
  ["torch.device", new PickleFunction(([kind]) => (typeof kind === "string" ? kind : null))],
  ["torch.storage.UntypedStorage", new StorageType("uint8")],
  ["numpy.dtype", new PickleFunction(([code]) => new NumpyType(code))],
  ["numpy.core.multiarray.scalar", new PickleFunction(numpyScalar)],
  ["numpy._core.multiarray.scalar", new PickleFunction(numpyScalar)],
  ["_codecs.encode", encodeLatin1],
])

function find(module: string, name: string): PickleValue | undefined {
  const full = `${module}.${name}`
  if (typeNames.has(full)) return full
  const storage = module === "torch" || module === "torch.cuda" ? storageTypes.get(name) : undefined
  return storage === undefined ? allowed.get(full) : new StorageType(storage)
}

/**
 * The names of PyTorch checkpoints.
 *
 * @param storages Receives the storages that are met, by their keys.
 */
export function torchNames(storages: Map<string, TorchStorage>): PickleNames {
  return {
    find,
    persistent(id) {
      const [kind, type, key, , size, view] = Array.isArray(id) ? id : []
      if (kind !== "storage" || !(type instanceof StorageType) || typeof key !== "string") {
        throw new PickleRefusal("a persistent id that is no storage")
      }
      if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
        throw new PickleRefusal(`the storage ${key} without a size`)
      }
      if (view !== undefined && view !== null) throw new PickleRefusal("a storage that is a part of another")
      const known = storages.get(key)
      if (known === undefined) {
        const storage = new TorchStorage(key, type.dtype, size)
        storages.set(key, storage)
        return storage
      }
      if (known.dtype !== type.dtype || known.size !== size) {
        throw new PickleRefusal(`the storage ${key} with two sizes or types`)
      }
      return known
    },
  }
}
