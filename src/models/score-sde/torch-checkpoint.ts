import { WeightsError } from "../../weights/errors.ts"
import { matchTensors, requireSame } from "../../weights/match-tensors.ts"
import { toFloat32 } from "../../weights/to-float32.ts"
import { type TorchFile, torchWeights } from "../../weights/torch-file.ts"
import { TorchTensor } from "../../weights/torch-tensor.ts"
import type { PickleValue } from "../../weights/unpickler.ts"
import type { NoiseLevels } from "../noise-level.ts"
import type { CheckpointTensor } from "../score-network.ts"
import type { ScoreCheckpoint, ScoreCheckpointOptions } from "./open-checkpoint.ts"
import { configHint, isFrequencies } from "./other-config.ts"

/**
 * The network in a checkpoint of score_sde_pytorch, `{ optimizer, model, ema, step }`, or in a bare state dict of it.
 * Averaged weights are a list without names: the order is that of the trained parameters in `model`.
 */
export async function torchCheckpoint(
  file: TorchFile,
  tensors: readonly CheckpointTensor[],
  levels: NoiseLevels,
  { rawWeights = false, signal }: ScoreCheckpointOptions,
): Promise<ScoreCheckpoint> {
  const { model, ema, step } = sectionsOf(file.root)
  const state = stateDict(model ?? file.root)
  const sigmas = state.get(sigmasName)
  state.delete(sigmasName)
  const expected = new Map(tensors.map(({ name, shape }) => [name, shape]))
  for (const [name, { shape }] of state) {
    if (!expected.has(name) && isFrequencies(name, shape)) state.delete(name)
  }
  if (state.size > 0) requireSame(file.name, matchTensors(expected, { tensors: infoOf(state) }), configHint)
  if (sigmas) await checkSigmas(file, sigmas, levels, signal)

  const averaged = !rawWeights && model !== undefined
  if (averaged) {
    const trained = new Set(tensors.filter(tensor => tensor.trained).map(({ name }) => name))
    const names = [...state.keys()].filter(name => trained.has(name))
    averages(file.name, ema, names, expected).forEach((tensor, i) => {
      state.set(names[i]!, tensor)
    })
  }
  return {
    weights: torchWeights(file, state),
    framework: "pytorch",
    averaged: model === undefined ? undefined : averaged,
    step: typeof step === "number" ? step : undefined,
  }
}

/** A buffer of every network; the networks here have it from their configuration. */
const sigmasName = "sigmas"

function sectionsOf(root: PickleValue): Partial<Record<"model" | "ema" | "step", PickleValue>> {
  if (!(root instanceof Map) || !(root.get("model") instanceof Map)) return {}
  const [model, ema, step] = ["model", "ema", "step"].map(key => root.get(key))
  return { ...(model && { model }), ...(ema && { ema }), ...(step !== undefined && { step }) }
}

/** The tensors of a state dict, without the prefix that `DataParallel` adds. */
function stateDict(dictionary: PickleValue): Map<string, TorchTensor> {
  const state = new Map<string, TorchTensor>()
  if (!(dictionary instanceof Map)) return state
  for (const [name, tensor] of dictionary) {
    if (typeof name !== "string" || !(tensor instanceof TorchTensor)) continue
    state.set(name.replace(/^module\./, ""), tensor)
  }
  return state
}

function infoOf(state: ReadonlyMap<string, TorchTensor>) {
  return new Map(Array.from(state, ([name, { dtype, shape }]) => [name, { name, dtype, shape }]))
}

/** The averaged weights, checked against the parameters that they belong to. */
function averages(
  fileName: string,
  ema: PickleValue | undefined,
  names: readonly string[],
  shapes: ReadonlyMap<string, readonly number[]>,
): readonly TorchTensor[] {
  const list = ema instanceof Map ? ema.get("shadow_params") : undefined
  const rawHint = "The weights as they were last trained can be had: --raw-weights, or rawWeights in code."
  if (!Array.isArray(list)) {
    throw new WeightsError("TENSOR_MISSING", `${fileName} holds no averaged weights.`, { hint: rawHint })
  }
  const wrong = names.findIndex((name, i) => {
    const found = list[i]
    return !(found instanceof TorchTensor) || found.shape.join() !== shapes.get(name)!.join()
  })
  if (wrong < 0 && list.length === names.length) return list as TorchTensor[]
  const found = list[wrong]
  const problem =
    wrong < 0 || found === undefined
      ? `there are ${list.length} for ${names.length} trained tensors`
      : `number ${wrong} of them is ${found instanceof TorchTensor ? `[${found.shape.join(", ")}]` : "no tensor"}, but "${names[wrong]}" is [${shapes.get(names[wrong]!)!.join(", ")}]`
  throw new WeightsError("TENSOR_MISSHAPEN", `The averaged weights of ${fileName} don't fit: ${problem}.`, {
    hint: rawHint,
  })
}

/** Models for data of different spread have the same tensors; the table of noise levels tells them apart. */
async function checkSigmas(
  file: TorchFile,
  sigmas: TorchTensor,
  { sigmaMin, sigmaMax, numScales }: NoiseLevels,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [count = 0, second] = sigmas.shape
  const differs = (found: string) =>
    new WeightsError(
      "CONFIG_MISMATCH",
      `The noise levels "sigmas" of ${file.name} are ${found}, but the configuration has ${numScales} from ${sigmaMax} to ${sigmaMin}.`,
      { hint: configHint },
    )
  if (count !== numScales || second !== undefined) throw differs(`of shape [${sigmas.shape.join(", ")}]`)
  const values = new Float32Array(count)
  toFloat32(await file.readTensor(sigmas, signal), values)
  const isNear = (a: number, b: number) => Math.abs(a - b) <= 1e-3 * b
  if (isNear(values[0]!, sigmaMax) && isNear(values[count - 1]!, sigmaMin)) return
  throw differs(`${count} from ${values[0]!.toPrecision(4)} to ${values[count - 1]!.toPrecision(4)}`)
}
