import type { Tensor } from "../tensor.ts"

/** A batch of pictures [N, C, H, W] as [N, H, W, C], the order of NumPy users and of Diffusers' `"np"`. */
export function channelsLast({ shape, data }: Tensor<"float32">): Tensor<"float32"> {
  const [batch, channels, height, width] = shape as readonly [number, number, number, number]
  const pixels = height * width
  const moved = new Float32Array(data.length)
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      const plane = data.subarray((n * channels + c) * pixels)
      for (let p = 0; p < pixels; p++) moved[(n * pixels + p) * channels + c] = plane[p]!
    }
  }
  return { dtype: "float32", shape: [batch, height, width, channels], data: moved }
}
