import { expect, test } from "vitest"
import { GraphBuilder } from "../../src/graph/builder.ts"
import { add, mul } from "../../src/graph/ops/elementwise.ts"
import { foldParameters } from "../../src/graph/optimize/fold-parameters.ts"
import type { Graph } from "../../src/graph/types.ts"
import { fillWeights, weightChunks, weightFileChunks, weightLayout } from "../../src/graph/weight-layout.ts"
import { irregular, weightsFrom } from "./run-graph.ts"

const a = irregular([5], 1).data
const b = irregular([3, 7], 2).data
const weights = weightsFrom({ a, b })

function graph(): Graph {
  const g = new GraphBuilder("test")
  const [left, right] = [g.parameter("a", [5, 1, 1]), g.parameter("b", [3, 7])]
  return foldParameters(g.build({ y: add(add(left, right), mul(right, 2)) }))
}

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const list: Uint8Array[] = []
  for await (const chunk of chunks) list.push(chunk)
  return Buffer.concat(list)
}

test("every weight stands where the layout says, with zeros between them", async () => {
  const layout = weightLayout(graph())
  const bytes = await fillWeights(layout, weights)
  const expected = [a, b, b.map(value => 2 * value)]
  expect(layout.places.map(({ offset }) => offset)).toEqual([0, 64, 192])
  expect(bytes.length).toBe(layout.totalBytes)
  for (const [i, { offset, length }] of layout.places.entries()) {
    expect(new Float32Array(bytes.buffer, offset, length / 4)).toEqual(expected[i])
    expect(bytes.subarray(offset + length, layout.places[i + 1]?.offset).every(byte => byte === 0)).toBe(true)
  }
})

test("the file in chunks is the same, and without gaps it is the weights alone", async () => {
  const layout = weightLayout(graph())
  const bytes = await fillWeights(layout, weights)
  expect(Buffer.compare(await joined(weightFileChunks(layout, weights)), bytes)).toBe(0)
  const alone = layout.places.map(({ offset, length }) => bytes.subarray(offset, offset + length))
  expect(Buffer.compare(await joined(weightChunks(layout, weights)), Buffer.concat(alone))).toBe(0)
})

test("the caller can stop it between two weights", async () => {
  const layout = weightLayout(graph())
  const controller = new AbortController()
  const source = {
    async readFloat32Into() {
      controller.abort(new Error("enough"))
    },
  }
  await expect(fillWeights(layout, source, controller.signal)).rejects.toMatchObject({
    code: "ABORTED",
    cause: new Error("enough"),
  })
})

test("what the source throws comes through", async () => {
  await expect(fillWeights(weightLayout(graph()), weightsFrom({}))).rejects.toThrow("no weight a")
})
