import { findWeights } from "../../hub/component-files.ts"
import { createSession, type ModelSource, type Session } from "../../runtime/session.ts"
import { foreignVjpModel } from "../foreign-vjp.ts"
import type { UNet2DConfig } from "./config.ts"
import { convertUNet2DVjp } from "./conversion.ts"
import { findTensorFiles, loadFresh, pictureSize } from "./load.ts"
import type { ModelOrigin } from "./model.ts"

/**
 * Loads the network with its vector–Jacobian product: made from the weights where there are any, since what is built
 * here runs fastest, else from the repository's ONNX graph.
 */
export async function openUNet2DVjpSession(config: UNet2DConfig, origin: ModelOrigin): Promise<Session> {
  const { repo, component, options } = origin
  const load = (source: ModelSource): Promise<Session> =>
    createSession(source, { ...options, transfer: true })
  const weights = options.useOnnx ? undefined : findTensorFiles(repo, component, options)
  if (weights) {
    return loadFresh(origin, force => convertUNet2DVjp(config, origin, weights, force), load)
  }
  const { path } = findWeights(repo, component, options)
  const sample = ["batch", config.inChannels, ...pictureSize(config, options.size)]
  return load(await foreignVjpModel(repo, path, sample, options.signal))
}
