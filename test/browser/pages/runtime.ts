// Runs in a page: sessions.
import { createSession, type SessionOptions } from "../../../src/runtime/session.ts"
import { denoiserFeeds, denoiserModel } from "../../runtime/onnx-model.ts"

/** What the test model computes there. */
export async function denoise(options: SessionOptions): Promise<{ device: string; values: number[] }> {
  await using session = await createSession({ bytes: denoiserModel() }, options)
  const { out_sample } = await session.run(denoiserFeeds())
  return { device: session.device, values: Array.from(out_sample!.data, Number) }
}
