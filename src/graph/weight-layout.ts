import { throwIfAborted } from "../errors.ts"
import { bytesPerElement, elementCount } from "../tensor.ts"
import { float32ToFloat16 } from "../weights/half.ts"
import { GraphError } from "./errors.ts"
import type { Graph, Initializer } from "./types.ts"

/** Where the values of a graph's parameters come from: a checkpoint, or arrays in memory. */
export interface WeightSource {
  /** Fills `target` with the elements of the tensor `name`, converted to float32. */
  readFloat32Into(name: string, target: Float32Array): Promise<void>
}

type Weight = Exclude<Initializer, { kind: "constant" }>

/** One weight's place in the file or buffer that holds them all. */
export interface WeightPlace {
  readonly initializer: Weight
  /** Bytes from the start; a multiple of 64. */
  readonly offset: number
  /** Bytes. */
  readonly length: number
}

export interface WeightLayout {
  readonly places: readonly WeightPlace[]
  readonly totalBytes: number
}

const alignment = 64

/** Puts the weights of a graph one after the other, in the order of their declaration. */
export function weightLayout(graph: Graph): WeightLayout {
  const places: WeightPlace[] = []
  let end = 0
  for (const initializer of graph.initializers.values()) {
    if (initializer.kind === "constant") continue
    const offset = Math.ceil(end / alignment) * alignment
    const length = elementCount(initializer.shape) * bytesPerElement[initializer.dtype]
    places.push({ initializer, offset, length })
    end = offset + length
  }
  return { places, totalBytes: end }
}

/**
 * Reads all weights into one buffer, laid out as {@link weightLayout} says.
 *
 * @throws GraphError `GRAPH_RANGE` for a weight that float16 can't hold; what `weights` throws; AbortError.
 */
export async function fillWeights(
  layout: WeightLayout,
  weights: WeightSource,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const buffer = new ArrayBuffer(layout.totalBytes)
  const reader = new WeightReader(weights)
  for (const place of layout.places) {
    throwIfAborted(signal)
    await reader.read(place, buffer, place.offset)
  }
  return new Uint8Array(buffer)
}

/** The bytes of the weights, one chunk a weight and without the gaps between them. */
export async function* weightChunks(
  layout: WeightLayout,
  weights: WeightSource,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = new WeightReader(weights)
  for (const place of layout.places) {
    throwIfAborted(signal)
    const buffer = new ArrayBuffer(place.length)
    await reader.read(place, buffer, 0)
    yield new Uint8Array(buffer)
  }
}

/** The bytes of the file that {@link weightLayout} describes: the weights, with zeros in the gaps. */
export async function* weightFileChunks(
  layout: WeightLayout,
  weights: WeightSource,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let end = 0
  let index = 0
  for await (const chunk of weightChunks(layout, weights, signal)) {
    const { offset, length } = layout.places[index++]!
    if (offset > end) yield new Uint8Array(offset - end)
    yield chunk
    end = offset + length
  }
}

function isInfinite(half: number): boolean {
  return (half & 0x7fff) === 0x7c00
}

function beyondHalf(name: string, value: number): GraphError {
  return new GraphError(
    "GRAPH_RANGE",
    `The weight "${name}" holds ${value}, which is beyond float16's range of ±65504.`,
    { hint: "Use float32." },
  )
}

class WeightReader {
  readonly #weights: WeightSource

  constructor(weights: WeightSource) {
    this.#weights = weights
  }

  async read({ initializer, length }: WeightPlace, buffer: ArrayBuffer, offset: number): Promise<void> {
    const count = elementCount(initializer.shape)
    if (initializer.dtype === "float32") {
      const target = new Float32Array(buffer, offset, count)
      if (initializer.kind === "parameter") await this.#weights.readFloat32Into(initializer.name, target)
      else target.set(await this.#derive(initializer))
    } else if (initializer.dtype === "float16") {
      const values = await this.#float32(initializer, count)
      const halves = float32ToFloat16(values)
      const index = halves.findIndex(isInfinite)
      if (index !== -1) throw beyondHalf(initializer.name, values[index]!)
      new Uint16Array(buffer, offset, length / 2).set(halves)
    } else {
      throw new GraphError(
        "GRAPH_STRUCTURE",
        `The weight "${initializer.name}" has element type ${initializer.dtype}; float32 and float16 are supported.`,
      )
    }
  }

  async #float32(initializer: Weight, count: number): Promise<Float32Array> {
    if (initializer.kind === "derived") return await this.#derive(initializer)
    const values = new Float32Array(count)
    await this.#weights.readFloat32Into(initializer.name, values)
    return values
  }

  async #derive(initializer: Extract<Weight, { kind: "derived" }>): Promise<Float32Array> {
    const sources: Float32Array[] = []
    for (const source of initializer.sources) {
      sources.push(await this.#float32({ ...source, kind: "parameter" }, elementCount(source.shape)))
    }
    return initializer.compute(sources)
  }
}
