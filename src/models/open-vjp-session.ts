import { findWeights } from "../hub/component-files.ts"
import { createSession, type ModelSource, type Session } from "../runtime/session.ts"
import type { Architecture } from "./architecture.ts"
import { convertVjp } from "./conversion.ts"
import { foreignVjpModel } from "./foreign-vjp.ts"
import type { ModelOrigin } from "./network-model.ts"
import { findTensorFiles, loadFresh } from "./network-session.ts"

/**
 * Loads the network with its vector–Jacobian product: made from the weights where there are any, since what is built
 * here runs fastest, else from the repository's ONNX graph.
 */
export async function openVjpSession<Config>(
  architecture: Architecture<Config>,
  config: Config,
  origin: ModelOrigin,
): Promise<Session> {
  const { repo, component, options } = origin
  const load = (source: ModelSource): Promise<Session> =>
    createSession(source, { ...options, transfer: true })
  const weights = options.useOnnx ? undefined : findTensorFiles(repo, component, options)
  if (weights) {
    return loadFresh(origin, force => convertVjp(architecture, config, origin, weights, force), load)
  }
  const { path } = findWeights(repo, component, options)
  const sample = [
    "batch",
    architecture.channels(config).inChannels,
    ...architecture.pictureSize(config, options.size),
  ]
  return load(await foreignVjpModel(repo, path, sample, options.signal))
}
