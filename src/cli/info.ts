import { openRepo } from "../hub/open-repo.ts"
import { DiffusionPipeline } from "../pipelines/diffusion-pipeline.ts"
import { loadingOptions, type ModelCommandOptions } from "./model-options.ts"
import { formatBytes } from "./progress.ts"

interface InfoOptions extends ModelCommandOptions {
  readonly json?: boolean
}

/** `score-sde info`: what a model is made of. */
export async function info(model: string, options: InfoOptions): Promise<void> {
  const report = await describeModel(model, options)
  console.log(options.json ? JSON.stringify(report, undefined, 2) : formatReport(report))
}

interface ModelReport {
  readonly model: string
  readonly commit: string | null
  readonly pipeline: string
  readonly components: Readonly<Record<string, string>>
  readonly pictureSize: readonly [height: number, width: number]
  readonly channels: number
  readonly parameters: number
  /** Bytes of the parameters in the element type that was asked for. */
  readonly parameterBytes: number
  /** Bytes of memory of this process after loading, and after one evaluation of one picture. */
  readonly memory: { readonly loaded: number; readonly running: number }
  readonly noise: Readonly<Record<string, number | string>>
  readonly files: readonly { readonly path: string; readonly bytes: number | null }[]
}

async function describeModel(model: string, options: InfoOptions): Promise<ModelReport> {
  const loading = loadingOptions(options)
  const repo = await openRepo(model, loading)
  // In this thread, so that the memory measured is all there is.
  await using pipe = await DiffusionPipeline.fromPretrained(model, { ...loading, worker: false })
  const { unet, scheduler } = pipe
  const loaded = process.memoryUsage().rss
  const [height, width] = unet.size
  const shape = [1, unet.config.inChannels, height, width]
  const data = new Float32Array(unet.config.inChannels * height * width)
  if (unet.config.numClassEmbeds === null && unet.config.classEmbedType === null) {
    await unet.forward({ dtype: "float32", shape, data }, 1)
  }
  const running = process.memoryUsage().rss
  const parameters = await unet.countParameters()
  return {
    model: repo.id,
    commit: repo.commit ?? null,
    pipeline: pipe.constructor.name,
    components: { unet: unet.constructor.name, scheduler: scheduler.constructor.name },
    pictureSize: unet.size,
    channels: unet.config.inChannels,
    parameters,
    parameterBytes: parameters * (unet.dtype === "fp16" ? 2 : 4),
    memory: { loaded, running },
    noise: noiseSettings(scheduler.config),
    files: repo.files.map(({ path, size }) => ({ path, bytes: size ?? null })),
  }
}

function noiseSettings(config: object): Record<string, number | string> {
  const settings: Record<string, number | string> = {}
  for (const [name, value] of Object.entries(config)) {
    const tells = /^(sigma|beta|snr|num|correct|samplingEps|prediction|variance)/.test(name)
    if (tells && (typeof value === "number" || typeof value === "string")) settings[name] = value
  }
  return settings
}

function formatReport(report: ModelReport): string {
  const row = (name: string, value: string): string => `${name.padEnd(14)}${value}`
  const { components, memory, pictureSize, noise, files } = report
  return [
    row("model", report.model + (report.commit === null ? "" : ` @ ${report.commit.slice(0, 12)}`)),
    row("pipeline", report.pipeline),
    ...Object.entries(components).map(([name, value]) => row(name, value)),
    row(
      "pictures",
      `${pictureSize.join(" × ")}, ${report.channels} channel${report.channels === 1 ? "" : "s"}`,
    ),
    row("parameters", `${report.parameters.toLocaleString("en")} (${formatBytes(report.parameterBytes)})`),
    row(
      "memory",
      `${formatBytes(memory.loaded)} loaded, ${formatBytes(memory.running)} after one evaluation`,
    ),
    ...Object.entries(noise).map(([name, value], i) => row(i === 0 ? "noise" : "", `${name} ${value}`)),
    ...files.map(({ path, bytes }, i) =>
      row(i === 0 ? "files" : "", `${path}${bytes === null ? "" : `  ${formatBytes(bytes)}`}`),
    ),
  ].join("\n")
}
