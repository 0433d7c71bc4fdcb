import type { WeightSource } from "../../src/graph/weight-layout.ts"

type Shape = readonly number[]

/**
 * The weights of the fixtures, which are given by a formula: names sorted, k the position of a name, i an element's
 * index, s = sin(0.7 i + 0.3 k); 4 s for `time_proj.weight`, 1 + 0.1 s and 0.1 s for vectors of weights and biases,
 * and s/√(elements per output row) for the rest.
 */
export function formulaWeights(shapes: ReadonlyMap<string, Shape>): WeightSource {
  const names = [...shapes.keys()].sort()
  return {
    async readFloat32Into(name, target) {
      const shape = shapes.get(name)
      if (!shape) throw new Error(`There is no weight ${name}.`)
      const k = names.indexOf(name)
      const row = shape.slice(1).reduce((a, b) => a * b, 1)
      for (let i = 0; i < target.length; i++) {
        const s = Math.sin(0.7 * i + 0.3 * k)
        if (name === "time_proj.weight") target[i] = 4 * s
        else if (shape.length === 1) target[i] = 0.1 * s + (name.endsWith(".weight") ? 1 : 0)
        else target[i] = s / Math.sqrt(row)
      }
    },
  }
}

/** cos(0.01 i). */
export function formulaInput(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.cos(0.01 * i))
}
