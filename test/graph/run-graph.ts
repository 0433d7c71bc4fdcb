import { GraphBuilder, type Value } from "../../src/graph/builder.ts"
import { encodeWithExternalData } from "../../src/graph/encode.ts"
import type { Graph } from "../../src/graph/types.ts"
import type { WeightSource } from "../../src/graph/weight-layout.ts"
import { fillWeights, weightLayout } from "../../src/graph/weight-layout.ts"
import type { Device } from "../../src/runtime/device.ts"
import { createSession, type ModelSource } from "../../src/runtime/session.ts"
import type { DType, Tensor } from "../../src/tensor.ts"
import { elementCount } from "../../src/tensor.ts"

type Tensors = Readonly<Record<string, Tensor>>

/** A graph as a session takes it. */
export async function modelOf(graph: Graph, weights: WeightSource = noWeights): Promise<ModelSource> {
  const layout = weightLayout(graph)
  const data = await fillWeights(layout, weights)
  const bytes = encodeWithExternalData(graph, "weights", layout)
  return { bytes, externalData: layout.places.length > 0 ? [{ path: "weights", data }] : [] }
}

/** Runs a model once, on one thread. */
export async function runModel(
  source: ModelSource,
  feeds: Tensors,
  device: Device = "cpu",
): Promise<Record<string, Tensor>> {
  await using session = await createSession(source, { device, worker: false, threads: 1 })
  return await session.run(feeds)
}

/** Runs a graph once. */
export async function runGraph(
  graph: Graph,
  feeds: Tensors,
  weights?: WeightSource,
): Promise<Record<string, Tensor>> {
  return runModel(await modelOf(graph, weights), feeds)
}

/** A graph of the inputs of the given types and whatever `define` makes of them, as outputs `y0`, `y1`, …. */
export function graphOf(
  inputs: readonly (readonly [dtype: DType, shape: readonly (number | string)[]])[],
  define: (values: readonly Value[], builder: GraphBuilder) => Value | readonly Value[],
): Graph {
  const builder = new GraphBuilder("test")
  const values = inputs.map(([dtype, shape], i) => builder.input(`x${i}`, dtype, shape))
  const outputs = [define(values, builder)].flat()
  return builder.build(Object.fromEntries(outputs.map((value, i) => [`y${i}`, value])))
}

/** A float32 tensor with irregular numbers between 0.1 and 1. */
export function irregular(shape: readonly number[], seed = 1): Tensor<"float32"> {
  const data = Float32Array.from({ length: elementCount(shape) }, (_, i) => {
    const wave = Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 43758.5453
    return 0.1 + 0.9 * (wave - Math.floor(wave))
  })
  return { dtype: "float32", shape, data }
}

/** The largest distance between the elements of two tensors of one shape; NaN counts as infinite. */
export function maxDifference(a: Tensor | undefined, b: Tensor | undefined): number {
  if (!a || !b || a.shape.join() !== b.shape.join()) return Number.POSITIVE_INFINITY
  let largest = 0
  for (let i = 0; i < a.data.length; i++) {
    const difference = Math.abs(Number(a.data[i]) - Number(b.data[i]))
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference
  }
  return largest
}

/** Weights that stand in memory. */
export function weightsFrom(tensors: Readonly<Record<string, ArrayLike<number>>>): WeightSource {
  return {
    async readFloat32Into(name, target) {
      const values = tensors[name]
      if (!values) throw new Error(`There is no weight ${name}.`)
      target.set(values)
    },
  }
}

const noWeights = weightsFrom({})
