import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { GraphBuilder, Value } from "../../src/graph/builder.ts"
import { GraphError } from "../../src/graph/errors.ts"
import { conv, convTranspose } from "../../src/graph/ops/convolution.ts"
import { reshape } from "../../src/graph/ops/shape.ts"
import type { Graph } from "../../src/graph/types.ts"
import { graphOf, irregular, runGraph } from "./run-graph.ts"

// Shape rules against ONNX Runtime on generated sizes: both give the same shape, or both refuse.

const runs = { numRuns: 60 }

type Define = (values: readonly Value[], g: GraphBuilder) => Value | readonly Value[]

/** The shapes that a rule infers for float32 inputs; undefined where it refuses. */
function inferred(shapes: readonly (readonly number[])[], define: Define): Graph | undefined {
  try {
    return graphOf(
      shapes.map(shape => ["float32", shape] as const),
      define,
    )
  } catch (error) {
    if (error instanceof GraphError && error.code === "GRAPH_SHAPE") return undefined
    throw error
  }
}

async function expectSameShapes(graph: Graph): Promise<void> {
  const feeds = graph.inputs.map(({ name, shape }) => [name, irregular(shape as number[])] as const)
  const outputs = await runGraph(graph, Object.fromEntries(feeds))
  for (const { name, shape } of graph.outputs) expect(outputs[name]!.shape).toEqual(shape)
}

const size = fc.integer({ min: 1, max: 5 })
const shape = fc.array(size, { maxLength: 4 })

test("broadcasting", async () => {
  const pair = fc.tuple(shape, fc.array(fc.constantFrom(0, 1, 2), { maxLength: 4 })).map(([a, changes]) => {
    // The second shape is the first with some sizes made 1, some made larger, and some left out in front.
    const b = a.slice(Math.max(0, a.length - changes.length))
    return [a, b.map((n, i) => (changes[i] === 0 ? n : changes[i] === 1 ? 1 : n + 1))] as const
  })
  const expected = (a: readonly number[], b: readonly number[]): readonly number[] | undefined => {
    const rank = Math.max(a.length, b.length)
    const sizes = Array.from({ length: rank }, (_, i) => {
      const [x, y] = [a.at(i - rank) ?? 1, b.at(i - rank) ?? 1]
      return i >= rank - a.length && i >= rank - b.length && x !== y && x !== 1 && y !== 1 ? Number.NaN : i
    })
    return sizes.some(Number.isNaN) ? undefined : sizes
  }
  await fc.assert(
    fc.asyncProperty(pair, async ([a, b]) => {
      const graph = inferred([a, b], ([x, y], g) => g.apply("Add", [x, y]))
      expect(graph === undefined).toBe(expected(a, b) === undefined)
      if (graph) await expectSameShapes(graph)
    }),
    runs,
  )
})

describe("reshape", () => {
  test("to any order of the same factors, one of them open or copied", async () => {
    const factors = fc.array(size, { minLength: 1, maxLength: 5 })
    const change = fc.record({ factors, cut: fc.nat(4), open: fc.nat(4), copied: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(change, async ({ factors, cut, open, copied }) => {
        const from = [...factors.slice(0, cut), factors.slice(cut).reduce((a, b) => a * b, 1)]
        const to = factors.map((n, i) => (i === open ? -1 : copied && from[i] === n ? 0 : n))
        const graph = inferred([from], ([x]) => reshape(x!, to))
        expect(graph?.outputs.map(output => output.shape)).toEqual([factors])
        await expectSameShapes(graph!)
      }),
      runs,
    )
  })

  test("is refused exactly where ONNX Runtime would refuse it", async () => {
    const target = fc.array(fc.integer({ min: -1, max: 6 }), { maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(shape, target, async (from, to) => {
        const graph = inferred([from], ([x], g) => g.apply("Reshape", [x, g.ints(to)]))
        if (graph) return expectSameShapes(graph)
        const count = from.reduce((a, b) => a * b, 1)
        const copied = to.map((n, i) => (n === 0 ? from[i] : n))
        const known = copied.filter(n => n !== -1).reduce<number>((a, b) => a * (b ?? Number.NaN), 1)
        const open = copied.filter(n => n === -1).length
        expect(open > 1 || (open === 1 ? count % known !== 0 : count !== known)).toBe(true)
      }),
      runs,
    )
  })
})

test("slices with any start, end and step", async () => {
  const bound = fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constantFrom(-1000, 1000))
  const step = fc.integer({ min: -3, max: 3 }).filter(n => n !== 0)
  await fc.assert(
    fc.asyncProperty(size, size, bound, bound, step, fc.boolean(), async (a, b, start, end, by, last) => {
      const axis = last ? -1 : 0
      const graph = inferred([[a, b]], ([x], g) =>
        g.apply("Slice", [x, ...[start, end, axis, by].map(n => g.ints([n]))]),
      )
      await expectSameShapes(graph!)
    }),
    runs,
  )
})

describe("windows", () => {
  const window = fc.record({
    height: fc.integer({ min: 1, max: 9 }),
    width: fc.integer({ min: 1, max: 9 }),
    kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    padding: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
    depthwise: fc.boolean(),
  })

  function weight(g: GraphBuilder, shape: readonly number[]): Value {
    return g.constant("float32", shape, irregular(shape).data)
  }

  test("of convolutions", async () => {
    await fc.assert(
      fc.asyncProperty(window, async ({ height, width, kernel, depthwise, ...options }) => {
        const groups = depthwise ? 4 : 1
        const graph = inferred([[2, 4, height, width]], ([x], g) =>
          conv(x!, weight(g, [4, 4 / groups, ...kernel]), undefined, { ...options, groups }),
        )
        const [top, left, bottom, right] = options.padding
        const spans = kernel.map(n => options.dilation * (n - 1) + 1) as [number, number]
        const fits = height + top + bottom >= spans[0] && width + left + right >= spans[1]
        expect(graph !== undefined).toBe(fits)
        if (graph) await expectSameShapes(graph)
      }),
      runs,
    )
  })

  test("of transposed convolutions", async () => {
    await fc.assert(
      fc.asyncProperty(window, async ({ height, width, kernel, depthwise, ...options }) => {
        const groups = depthwise ? 4 : 1
        const graph = inferred([[2, 4, height, width]], ([x], g) =>
          convTranspose(x!, weight(g, [4, 4 / groups, ...kernel]), undefined, { ...options, groups }),
        )
        const [top, left, bottom, right] = options.padding
        const out = (length: number, n: number, padding: number): number =>
          (length - 1) * options.stride + options.dilation * (n - 1) + 1 - padding
        expect(graph !== undefined).toBe(
          out(height, kernel[0], top + bottom) > 0 && out(width, kernel[1], left + right) > 0,
        )
        if (graph) await expectSameShapes(graph)
      }),
      runs,
    )
  })

  test("of pools", async () => {
    const ints = (value: readonly number[]) => ({ kind: "ints", value }) as const
    await fc.assert(
      fc.asyncProperty(window, async ({ height, width, kernel, stride, padding }) => {
        // ONNX Runtime wants every window to touch the picture.
        const pads = padding.map((n, side) => Math.min(n, kernel[side % 2]! - 1))
        const attributes = { kernel_shape: ints(kernel), strides: ints([stride, stride]), pads: ints(pads) }
        const graph = inferred([[2, 4, height, width]], ([x], g) => g.apply("MaxPool", [x], attributes))
        if (graph) await expectSameShapes(graph)
        else expect(Math.min(height - kernel[0], width - kernel[1])).toBeLessThan(0)
      }),
      runs,
    )
  })
})
