import type { Graph } from "../../src/graph/types.ts"
import { vjp } from "../../src/graph/vjp/vjp.ts"
import type { Device } from "../../src/runtime/device.ts"
import { createSession, type Session } from "../../src/runtime/session.ts"
import type { Tensor } from "../../src/tensor.ts"
import { elementCount } from "../../src/tensor.ts"
import { modelOf } from "./run-graph.ts"

type Feeds = Readonly<Record<string, Tensor<"float32">>>

export interface Comparison {
  readonly input: string
  /** Derivative along one direction, from the gradient and from differences. */
  readonly gradient: number
  readonly differences: number
  /** Norm of the gradient times norm of the direction: what their difference is measured by. */
  readonly scale: number
}

/** A session of a graph's VJP by all outputs and the given inputs. */
export async function vjpSession(
  graph: Graph,
  inputs: readonly string[],
  device: Device = "cpu",
): Promise<Session> {
  const names = graph.outputs.map(output => output.name)
  return createSession(await modelOf(vjp(graph, names, inputs)), { device, worker: false, threads: 1 })
}

/**
 * Compares gradients with central differences of fourth order along irregular directions, two for every input. What is
 * differentiated is Σ v·y over all outputs, with irregular v, summed in float64.
 *
 * @param step how far the elements move in the smaller of two steps.
 */
export async function compareWithDifferences(
  session: Session,
  inputs: readonly string[],
  feeds: Feeds,
  batch: number,
  step = 0.02,
): Promise<readonly Comparison[]> {
  const gradients = new Set(inputs.map(name => `${name}_grad`))
  const outputs = session.outputs.map(output => output.name).filter(name => !gradients.has(name))
  const plain = { ...feeds, ...cotangents(session, outputs, batch) }
  const computed = await session.run(plain)
  const weightedSum = async (changed: Feeds): Promise<number> => {
    const values = await session.run({ ...plain, ...changed }, { outputs })
    return outputs.reduce((sum, name) => sum + dot(values[name]!, plain[`${name}_cotangent`]!), 0)
  }
  const comparisons: Comparison[] = []
  for (const [i, input] of inputs.entries()) {
    const gradient = computed[`${input}_grad`]!
    const x = feeds[input]!
    for (const seed of [1, 2]) {
      const direction = noise(x.shape, 10 * i + seed)
      const at = (distance: number): Promise<number> =>
        weightedSum({
          [input]: { ...x, data: x.data.map((value, k) => value + distance * direction.data[k]!) },
        })
      const near = (await at(step)) - (await at(-step))
      const far = (await at(2 * step)) - (await at(-2 * step))
      comparisons.push({
        input,
        gradient: dot(gradient, direction),
        differences: (8 * near - far) / (12 * step),
        scale: norm(gradient) * norm(direction),
      })
    }
  }
  return comparisons
}

function cotangents(session: Session, outputs: readonly string[], batch: number): Feeds {
  const shapes = session.outputs
    .filter(({ name }) => outputs.includes(name))
    .map(({ name, shape }) => [name, shape.map(size => sizeFor(size, batch))] as const)
  return Object.fromEntries(shapes.map(([name, shape], i) => [`${name}_cotangent`, noise(shape, 100 + i)]))
}

/** A size that may be symbolic (`batch`, `batch*6`) as a number. */
export function sizeFor(size: number | string, batch: number): number {
  if (typeof size === "number") return size
  const [, times = "1"] = size.split("*")
  return batch * Number(times)
}

/** Irregular numbers between −1 and 1. */
export function noise(shape: readonly number[], seed: number): Tensor<"float32"> {
  const data = Float32Array.from({ length: elementCount(shape) }, (_, i) => {
    const wave = Math.sin(12.9898 * (i + 1) + 78.233 * (seed + 1)) * 43758.5453
    return 2 * (wave - Math.floor(wave)) - 1
  })
  return { dtype: "float32", shape, data }
}

export function dot(a: Tensor, b: Tensor): number {
  let sum = 0
  for (let i = 0; i < a.data.length; i++) sum += Number(a.data[i]) * Number(b.data[i])
  return sum
}

export function norm(a: Tensor): number {
  return Math.sqrt(dot(a, a))
}
