import { elementCount, type Tensor } from "../tensor.ts"
import type { Measurement } from "./measurements.ts"

type Change = (x: Tensor<"float32">) => Tensor<"float32">

/** Each sample of a batch `times` times in a row: [a, b] as [a, a, b, b]. */
export function repeatSamples(x: Tensor<"float32">, times: number): Tensor<"float32"> {
  if (times === 1) return x
  const [samples = 1, ...rest] = x.shape
  const size = elementCount(rest)
  const data = new Float32Array(samples * times * size)
  for (let b = 0; b < samples * times; b++) {
    const from = Math.floor(b / times) * size
    data.set(x.data.subarray(from, from + size), b * size)
  }
  return { dtype: x.dtype, shape: [samples * times, ...rest], data }
}

/** What is known of each picture, for `times` pictures in a row. */
export function repeatMeasurement(measurement: Measurement, times: number): Measurement {
  if (times === 1) return measurement
  const { data, known, compat } = measurement
  return {
    data: repeatSamples(data, times),
    known: onBatches(known, times),
    compat: compat && {
      ...(compat.unknownStart && { unknownStart: onBatches(compat.unknownStart, times) }),
      ...(compat.knownNoise && { knownNoise: onBatches(compat.knownNoise, times) }),
    },
  }
}

/** A change of a batch as one of `times` batches that {@link repeatSamples} has put into one another. */
function onBatches(change: Change, times: number): Change {
  return x => {
    const [all = 1, ...rest] = x.shape
    const [samples, size] = [all / times, elementCount(rest)]
    const result = new Float32Array(x.data.length)
    for (let turn = 0; turn < times; turn++) {
      const part = new Float32Array(samples * size)
      for (let b = 0; b < samples; b++) {
        const from = (b * times + turn) * size
        part.set(x.data.subarray(from, from + size), b * size)
      }
      const { data } = change({ dtype: x.dtype, shape: [samples, ...rest], data: part })
      for (let b = 0; b < samples; b++) {
        result.set(data.subarray(b * size, (b + 1) * size), (b * times + turn) * size)
      }
    }
    return { ...x, data: result }
  }
}
