import { isRowMajor, stridedExtent } from "../arrays/strided.ts"
import { bytesPerElement, type DType, elementCount } from "../tensor.ts"
import { PickleObject, PickleRefusal, type PickleValue } from "./unpickler.ts"

/** PyTorch's own bound. */
const maxRank = 64

/** A flat run of elements in the file, which several tensors can be views of. */
export class TorchStorage extends PickleObject {
  readonly key: string
  readonly dtype: DType
  /** Elements in all. */
  readonly size: number

  constructor(key: string, dtype: DType, size: number) {
    super()
    this.key = key
    this.dtype = dtype
    this.size = size
  }

  get byteLength(): number {
    return this.size * bytesPerElement[this.dtype]
  }
}

/** An expanded tensor repeats its storage; small ones, such as masks, do so honestly. */
const maxRepeatedElements = 2 ** 24

/** A tensor of a PyTorch file whose data has not been read. */
export class TorchTensor extends PickleObject {
  readonly storage: TorchStorage
  /** Where element 0, 0, … lies, in elements of the storage. */
  readonly offset: number
  readonly shape: readonly number[]
  /** In elements. */
  readonly strides: readonly number[]

  /** @throws PickleRefusal unless every element lies inside the storage. */
  constructor(
    storage: PickleValue | undefined,
    offset: PickleValue | undefined,
    shape: PickleValue | undefined,
    strides: PickleValue | undefined,
  ) {
    super()
    if (!(storage instanceof TorchStorage)) throw new PickleRefusal("a tensor without a storage")
    if (!isSize(offset)) throw new PickleRefusal("a tensor whose offset is not a number")
    if (!isSizes(shape) || !isSizes(strides) || shape.length !== strides.length) {
      throw new PickleRefusal("a tensor whose shape and strides don't fit each other")
    }
    const count = elementCount(shape)
    if (!Number.isSafeInteger(count)) throw new PickleRefusal(`a tensor of shape [${shape.join(", ")}]`)
    const end = count === 0 ? 0 : offset + stridedExtent(shape, strides)
    if (end > storage.size) {
      throw new PickleRefusal(`a tensor that reaches element ${end} of a storage of ${storage.size}`)
    }
    if (count > Math.max(storage.size, maxRepeatedElements)) {
      throw new PickleRefusal(
        `a tensor of shape [${shape.join(", ")}] over a storage of ${storage.size} elements`,
      )
    }
    this.storage = storage
    this.offset = offset
    this.shape = shape
    this.strides = strides
  }

  get dtype(): DType {
    return this.storage.dtype
  }

  /** Whether the elements lie in the file as a row-major array does. */
  get isDense(): boolean {
    return isRowMajor(this.shape, this.strides)
  }

  /** Attributes of a tensor subclass say nothing about its elements. */
  override setState(): void {}
}

function isSize(value: PickleValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
}

function isSizes(value: PickleValue | undefined): value is number[] {
  return Array.isArray(value) && value.length <= maxRank && value.every(isSize)
}
