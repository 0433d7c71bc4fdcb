import { publishedLines } from "../pipelines/score-sde-card.ts"
import { countOf, formatBytes, formatCount } from "./format.ts"
import type { ClassReport, ModelReport, NetworkReport, WeightsReport } from "./model-report.ts"

/** A report for people: a line for each subject, then the files. */
export function formatReport(report: ModelReport): string {
  const { model, commit, pipeline, components, network, noise, weights, bytes, files } = report
  const rows: [name: string, ...lines: string[]][] = [
    ["model", commit ? `${model} @ ${commit.slice(0, 12)}` : model],
  ]
  if (pipeline) rows.push(["pipeline", className(pipeline)])
  for (const [name, component] of Object.entries(components)) rows.push([name, className(component)])
  if (network) {
    rows.push(["network", networkLine(network)])
    rows.push(["pictures", picturesLine(network)])
    rows.push([
      "parameters",
      `${formatCount(network.parameters)} (${network.parameters.toLocaleString("en")})`,
    ])
  }
  const origin = originLines(report.origin)
  if (origin.length > 0) rows.push(["origin", ...origin])
  if (noise) rows.push(["noise", ...noiseLines(new Map(Object.entries(noise)))])
  rows.push(["weights", weights ? weightsLine(weights) : "none that could be loaded"])
  if (network?.memory) rows.push(["memory", ...memoryLines(network)])
  rows.push(["size", `${sizeText(bytes)} in ${countOf(files.length, "file")}`])
  const longest = Math.max(0, ...files.map(({ path }) => path.length))
  rows.push([
    "files",
    ...files.map(file => `${file.path.padEnd(longest)}  ${sizeText(file.bytes).padStart(7)}`),
  ])

  const indent = Math.max(...rows.map(([name]) => name.length)) + 2
  return rows
    .flatMap(([name, ...lines]) => lines.map((line, i) => (i === 0 ? name : "").padEnd(indent) + line))
    .join("\n")
}

function className({ class: name, supported }: ClassReport): string {
  return supported ? `${name}` : `${name ?? "unnamed"} (not supported)`
}

function networkLine(network: NetworkReport): string {
  const { architecture, blockOutChannels, timeEmbedding, classConditional } = network
  const levels = `${countOf(blockOutChannels.length, "level")} of ${blockOutChannels.join(", ")} channels`
  return [
    architecture === null ? levels : `${architecture}, ${levels}`,
    timeEmbedding === null ? "no time embedding" : `${timeEmbedding} time embedding`,
    ...(classConditional ? ["class-conditional"] : []),
  ].join("; ")
}

/** Where a model of score_sde came from, and what was published about its configuration. */
function originLines(origin: ModelReport["origin"]): string[] {
  if (origin === null) return []
  const { checkpoint, config, step, weights, sha256 } = origin
  const kind = weights && { ema: "averaged weights", raw: "weights as last trained" }[weights]
  const facts = [config ?? "a configuration of its own", step && `step ${step}`, kind].filter(Boolean)
  const published = publishedLines(config)
  return [
    `${checkpoint}: ${facts.join(", ")}`,
    `SHA-256 ${sha256}`,
    ...(published.length > 0 ? [`published: ${published.join(", ")}`] : []),
  ]
}

function picturesLine({ pictures, channels }: NetworkReport): string {
  const size = pictures ? `${pictures.height} × ${pictures.width}` : "any size"
  return `${size}, ${countOf(channels, "channel")}`
}

function noiseLines(config: ReadonlyMap<string, unknown>): string[] {
  const value = (key: string): string => String(config.get(key))
  const levels = `${value("numTrainTimesteps")} levels`
  if (config.has("predictor")) {
    const isVe = config.get("sde") === "vesde"
    const range = isVe
      ? `σ from ${value("sigmaMin")} to ${value("sigmaMax")}`
      : `β from ${value("betaMin")} to ${value("betaMax")}`
    const corrector = `${value("corrector")} (snr ${value("snr")}, ${value("nStepsEach")} a step)`
    return [
      `${value("sde")}, ${range}, ${levels}${config.get("continuous") ? ", continuous" : ""}`,
      `${value("predictor")} with ${config.get("corrector") === "none" ? "no corrector" : corrector}`,
    ]
  }
  if (config.has("sigmaMax")) {
    const corrections = countOf(Number(config.get("correctSteps")), "correction")
    return [
      `σ from ${value("sigmaMin")} to ${value("sigmaMax")}, ${levels}`,
      `snr ${value("snr")}, ${corrections} a step, sampling down to t = ${value("samplingEps")}`,
    ]
  }
  if (config.has("betaMax")) {
    return [
      `β from ${value("betaMin")} to ${value("betaMax")}, ${levels}, down to t = ${value("samplingEps")}`,
    ]
  }
  const betas = Array.isArray(config.get("trainedBetas"))
    ? "trained β"
    : `β from ${value("betaStart")} to ${value("betaEnd")} (${value("betaSchedule")})`
  const variance = config.has("varianceType") ? `, variance ${value("varianceType")}` : ""
  return [`${betas}, ${levels}`, `predicts ${value("predictionType")}${variance}`]
}

const formats: Readonly<Record<WeightsReport["format"], string>> = {
  onnx: "ONNX, used as it is",
  safetensors: "safetensors, converted to ONNX on loading",
  torch: "PyTorch, converted to ONNX on loading",
}

function weightsLine({ format, files, bytes }: WeightsReport): string {
  const [first, ...more] = files
  const others = more.length === 0 ? "" : ` and ${countOf(more.length, "file")} beside it`
  return `${first}${others}, ${sizeText(bytes)} (${formats[format]})`
}

function memoryLines({ memory, dtype }: NetworkReport): string[] {
  const { process, perPicture, weights, activations } = memory!
  return [
    `about ${formatBytes(process)} for one picture on the CPU, ${formatBytes(perPicture)} more for each further one of a batch`,
    `(the whole process, estimated from ${formatBytes(weights)} of ${dtype} weights and ${formatBytes(activations)} of activations at one time)`,
  ]
}

function sizeText(bytes: number | null): string {
  return bytes === null ? "?" : formatBytes(bytes)
}
