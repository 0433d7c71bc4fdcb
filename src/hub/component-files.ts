import { HubError } from "./errors.ts"
import type { Repo } from "./repo.ts"

/** What of a repository the choice of files depends on. */
export type FileListing = Pick<Repo, "id" | "files" | "offline">

/** Which of the files that hold a component's parameters are wanted. */
export interface WeightsChoice {
  /** Diffusers' variant (`"fp16"`, `"ema"`, …): the part of the file name before its ending. */
  readonly variant?: string | undefined
  /** The number type to compute in; of ONNX graphs, the one that is made for it is taken. Default `"fp32"`. */
  readonly dtype?: "fp32" | "fp16" | undefined
  /** Take only safetensors (`true`) or only PyTorch files (`false`), as far as weights are concerned. */
  readonly useSafetensors?: boolean | undefined
  /** Take only ONNX graphs (`true`) or only weights (`false`). Default: a graph if there is one, else weights. */
  readonly useOnnx?: boolean | undefined
}

/** The files that hold a component's parameters; all paths are those of the repository. */
export type ComponentWeights =
  | {
      readonly format: "onnx"
      readonly path: string
      readonly dtype: "fp32" | "fp16"
      /** Files beside the graph with its external data, by the names that exporters use. */
      readonly externalData: readonly string[]
    }
  | {
      readonly format: "safetensors" | "torch"
      /** The weights, or the JSON index of the shards that hold them. */
      readonly path: string
      /** The shards, by their names; the index has the last word. `undefined` for a single file. */
      readonly shards: readonly string[] | undefined
    }

/** Every file that the choice needs, to download them together. */
export function filesOf(weights: ComponentWeights): string[] {
  return [weights.path, ...(weights.format === "onnx" ? weights.externalData : (weights.shards ?? []))]
}

/**
 * Diffusers' rule for both layouts: a file of a component is in the folder of its name if there is one
 * (`unet/config.json`), else at the root (`config.json`).
 */
export function componentPath(repo: FileListing, component: string, file: string): string {
  return componentFolder(repo, component) + file
}

/** `"unet/"`, or `""` for the flat layout. */
function componentFolder(repo: FileListing, component: string): string {
  const folder = `${component}/`
  return component !== "" && repo.files.some(file => file.path.startsWith(folder)) ? folder : ""
}

/**
 * Chooses the files with a component's parameters. An ONNX graph comes first (`unet/model.onnx`, for fp16
 * `unet/model_fp16.onnx`; also in `onnx/`), then safetensors, then PyTorch files; sharded ones before single ones.
 *
 * @throws HubError `VARIANT_NOT_FOUND` when nothing is of the variant; `WEIGHTS_NOT_FOUND` otherwise, and the hint
 * says what there is.
 */
export function findWeights(
  repo: FileListing,
  component: string,
  choice: WeightsChoice = {},
): ComponentWeights {
  const { useOnnx, useSafetensors } = choice
  const paths = new Set(repo.files.map(file => file.path))
  const folder = componentFolder(repo, component)
  const mirrored = component === "" ? [] : [`onnx/${component}/`]
  const root = ["onnx/", ""]

  const graphIn = (folders: readonly string[]): ComponentWeights | undefined =>
    useOnnx === false ? undefined : findGraph(paths, folders, choice)
  const weightsOf = (format: "safetensors" | "torch"): ComponentWeights | undefined =>
    useOnnx === true || useSafetensors === (format === "torch")
      ? undefined
      : findTensors(paths, folder, format, choice.variant)

  const found =
    graphIn(folder === "" ? [...mirrored, ...root] : [folder, ...mirrored]) ??
    weightsOf("safetensors") ??
    weightsOf("torch") ??
    // Exporters that know of one model only put it at the root, whatever the layout of the rest.
    graphIn(root)
  if (found === undefined) throw notFound(repo, component, folder, choice)
  return found
}

const stem = "diffusion_pytorch_model"
const endings = { safetensors: "safetensors", torch: "bin" } as const

function findGraph(
  paths: ReadonlySet<string>,
  folders: readonly string[],
  { variant, dtype = "fp32" }: WeightsChoice,
): ComponentWeights | undefined {
  const suffix = dtype === "fp16" ? "_fp16" : ""
  const names = variant === undefined ? [`model${suffix}`] : [`model.${variant}${suffix}`]
  if (variant === "fp16" && dtype === "fp16") names.push("model_fp16")
  for (const folder of folders) {
    for (const name of names) {
      const path = `${folder}${name}.onnx`
      if (paths.has(path)) {
        return { format: "onnx", path, dtype, externalData: externalData(paths, path, folder) }
      }
    }
  }
  return undefined
}

/** `model.onnx_data`, further pieces `model.onnx_data_1` …, `model.onnx.data`, or `weights.pb`. */
function externalData(paths: ReadonlySet<string>, graph: string, folder: string): string[] {
  const beside = [...paths].filter(path => {
    const rest = path.startsWith(graph) ? path.slice(graph.length) : ""
    return /^(?:_data(?:_\d+)?|\.data)$/.test(rest)
  })
  const shared = `${folder}weights.pb`
  return beside.length === 0 && paths.has(shared) ? [shared] : beside.sort()
}

function findTensors(
  paths: ReadonlySet<string>,
  folder: string,
  format: "safetensors" | "torch",
  variant: string | undefined,
): ComponentWeights | undefined {
  const ending = endings[format]
  const dotted = variant === undefined ? "" : `.${variant}`
  // The second form of each is what older versions of Diffusers wrote.
  const indexes = [`${stem}.${ending}.index${dotted}.json`, `${stem}.${ending}${dotted}.index.json`]
  const index = indexes.map(name => folder + name).find(path => paths.has(path))
  if (index !== undefined) {
    const shards = [...paths].filter(path => {
      const name = path.startsWith(folder) ? readWeightsName(path.slice(folder.length)) : undefined
      return name?.format === format && name.variant === variant && name.shard
    })
    return { format, path: index, shards: shards.sort() }
  }
  const single = `${folder}${stem}${dotted}.${ending}`
  return paths.has(single) ? { format, path: single, shards: undefined } : undefined
}

interface WeightsName {
  readonly format: "safetensors" | "torch"
  readonly variant: string | undefined
  readonly shard: boolean
}

/** Takes the name of a weights file (not of an index) apart. */
function readWeightsName(name: string): WeightsName | undefined {
  const match =
    /^diffusion_pytorch_model(?:\.([\w-]+?))?(-\d{5}-of-\d{5})?(?:\.([\w-]+?))?\.(safetensors|bin)$/.exec(
      name,
    )
  if (match === null) return undefined
  const [, before, shard, after, ending] = match
  return {
    format: ending === "bin" ? "torch" : "safetensors",
    variant: before ?? after,
    shard: shard !== undefined,
  }
}

function notFound(repo: FileListing, component: string, folder: string, choice: WeightsChoice): HubError {
  const { variant, dtype = "fp32", useSafetensors, useOnnx } = choice
  const inFolder = repo.files.map(file => file.path).filter(path => path.startsWith(folder))
  const weights = inFolder.flatMap(path => readWeightsName(path.slice(folder.length)) ?? [])
  const variants = [...new Set(weights.flatMap(name => name.variant ?? []))]
  const graphs = repo.files.map(file => file.path).filter(path => path.endsWith(".onnx"))
  const what = component === "" ? repo.id : `the component "${component}" of ${repo.id}`
  const cacheOnly = repo.offline === undefined ? "" : ` Only the cache was searched. ${repo.offline}`
  const missing = (problem: string, hint: string): HubError =>
    new HubError("WEIGHTS_NOT_FOUND", `${problem}${cacheOnly}`, { hint })

  if (variant !== undefined && !variants.includes(variant)) {
    return new HubError("VARIANT_NOT_FOUND", `There are no "${variant}" files for ${what}.${cacheOnly}`, {
      hint:
        variants.length > 0
          ? `It has the variants ${quoteAll(variants)}.`
          : "It has no variants: leave out the variant option.",
    })
  }
  if (useOnnx === true && graphs.length === 0) {
    return missing(
      `There is no ONNX graph for ${what}.`,
      "Leave out useOnnx, and the graph is made from the weights.",
    )
  }
  const fitting = weights.filter(name => name.variant === variant)
  if (useOnnx !== true && useSafetensors === true && fitting.length > 0) {
    return missing(
      `There are no safetensors weights for ${what}, only PyTorch files.`,
      "Leave out useSafetensors: PyTorch files are read too, and nothing in them is run.",
    )
  }
  if (useOnnx !== true && useSafetensors === false && fitting.length > 0) {
    return missing(`There are no PyTorch weights for ${what}, only safetensors.`, "Leave out useSafetensors.")
  }
  if (useOnnx !== true && variant === undefined && variants.length > 0) {
    return missing(
      `Of the weights for ${what} there are only the variants ${quoteAll(variants)}.`,
      `Pass one of them, as in variant: "${variants[0]}".`,
    )
  }
  const otherType = dtype === "fp16" ? "fp32" : "fp16"
  if (useOnnx !== false && findGraph(new Set(graphs), graphs.map(folderOf), { dtype: otherType })) {
    return missing(
      `There is no ${dtype} ONNX graph for ${what}, and no weights to make it from.`,
      `Pass dtype: "${otherType}".`,
    )
  }
  const others = inFolder.filter(path => /\.(?:onnx|msgpack|h5|ckpt|pt|pth|gguf|flashpack)$/.test(path))
  return missing(
    `There are no weights for ${what}.`,
    `Looked for model.onnx, ${stem}.safetensors and ${stem}.bin in ${folder === "" ? "its root" : folder}` +
      `${others.length > 0 ? `; found ${others.slice(0, 5).join(", ")}` : ""}.`,
  )
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1)
}

function quoteAll(names: readonly string[]): string {
  return names.map(name => `"${name}"`).join(", ")
}
