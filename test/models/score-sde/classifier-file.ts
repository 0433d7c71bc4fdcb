import { parameterShapes } from "../../../src/models/checkpoint.ts"
import { type WideResnetConfig, wideResnetGraph } from "../../../src/models/wideresnet/network.ts"
import { elementCount, type Tensor } from "../../../src/tensor.ts"
import { writeSafetensors } from "../../../src/weights/safetensors-writer.ts"
import { hashWeights } from "./case.ts"

/** A classifier's tensors by the fixtures' formula, in the order of its parameters. */
export async function* classifierTensors(
  config: WideResnetConfig,
): AsyncGenerator<readonly [name: string, tensor: Tensor<"float32">]> {
  const shapes = parameterShapes(wideResnetGraph(config))
  const weights = hashWeights(shapes)
  for (const [name, shape] of shapes) {
    const data = new Float32Array(elementCount(shape))
    await weights.readFloat32Into(name, data)
    yield [name, { dtype: "float32", shape, data }]
  }
}

/** The same as a safetensors file. */
export async function classifierSafetensors(
  config: WideResnetConfig,
  { prefix = "", leaveOut }: { readonly prefix?: string; readonly leaveOut?: string } = {},
): Promise<Uint8Array> {
  const tensors = []
  for await (const [name, tensor] of classifierTensors(config)) {
    if (name !== leaveOut) tensors.push({ ...tensor, name: prefix + name, read: async () => tensor })
  }
  const chunks: Uint8Array[] = []
  for await (const chunk of writeSafetensors(tensors, {})) chunks.push(Uint8Array.from(chunk))
  return Buffer.concat(chunks)
}
