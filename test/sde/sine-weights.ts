import type { WeightSource } from "../../src/graph/weight-layout.ts"
import { elementCount } from "../../src/tensor.ts"

/** The smooth weights of the runs in fixtures/sde/golden.json: sines, scaled by the number of a layer's inputs. */
export function sineWeights(shapes: ReadonlyMap<string, readonly number[]>): WeightSource {
  const names = [...shapes.keys()].sort()
  return {
    async readFloat32Into(name, target) {
      const shape = shapes.get(name)!
      const k = names.indexOf(name)
      const matrix = name.endsWith(".W")
      const inputs = matrix ? shape[0]! : elementCount(shape) / shape[0]!
      const amplitude = shape.length > 1 ? 1 / Math.sqrt(inputs) : matrix ? 4 : 0.1
      const offset = shape.length === 1 && name.endsWith(".weight") ? 1 : 0
      for (let i = 0; i < target.length; i++) target[i] = offset + amplitude * Math.sin(0.7 * i + 0.3 * k)
    },
  }
}
