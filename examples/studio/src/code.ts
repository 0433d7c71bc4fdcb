// The code for what the page shows.
import type { ModelSource } from "./engine/protocol.ts"
import { type Settings, samplerFacts, samplerOptions } from "./settings.ts"
import type { RunRecord } from "./state.ts"

/** A program for Node that makes the same pictures. */
export function codeFor({ settings, source }: RunRecord): string {
  const { mode, seed } = settings
  const save = `for (const [i, image] of images.entries()) await image.save(\`${mode}-${seed}-\${i + 1}.png\`)`
  return [...programs[mode](settings, pathOf(source)), save, "await pipe.dispose()", ""].join("\n")
}

const programs: {
  readonly [M in Settings["mode"]]: (settings: Settings, path: string) => readonly string[]
} = {
  sample: (settings, path) => [
    'import { DiffusionPipeline } from "score-sde"',
    "",
    `const pipe = await DiffusionPipeline.fromPretrained(${path})`,
    ...call([...sampling(settings), `seed: ${settings.seed}`, `batchSize: ${settings.count}`]),
  ],
  interpolate: (settings, path) => [
    'import { DiffusionPipeline, slerp, TorchGenerator } from "score-sde"',
    "",
    "// All the noise of a run, on the way from one seed to another.",
    "class Between extends TorchGenerator {",
    "  constructor(from, to, part) {",
    "    super(from)",
    "    this.to = new TorchGenerator(to)",
    "    this.part = part",
    "  }",
    "  randn(shape) {",
    "    return slerp(super.randn(shape), this.to.randn(shape), this.part)",
    "  }",
    "}",
    "",
    `const count = ${settings.count}`,
    `const pipe = await DiffusionPipeline.fromPretrained(${path})`,
    ...call([
      ...sampling(settings),
      `generator: Array.from({ length: count }, (_, i) => new Between(${settings.seed}, ${settings.seedTo}, i / (count - 1)))`,
      "batchSize: count",
    ]),
  ],
  inpaint: (settings, path) => [
    'import { ScoreSdeInpaintPipeline } from "score-sde"',
    "",
    "// “Save picture and mask” gives the two files.",
    `const pipe = await ScoreSdeInpaintPipeline.fromPretrained(${path})`,
    ...call(['image: "picture.png"', 'mask: "mask.png"', 'maskWhite: "fill"', ...editing(settings)]),
  ],
  colorize: (settings, path) => [
    'import { ScoreSdeColorizationPipeline } from "score-sde"',
    "",
    "// “Save picture” gives the file.",
    `const pipe = await ScoreSdeColorizationPipeline.fromPretrained(${path})`,
    ...call(['image: "picture.png"', ...editing(settings)]),
  ],
}

function pathOf(source: ModelSource): string {
  if (source.kind === "shipped") return '"models/ncsnpp-emoji-32"'
  return JSON.stringify(source.kind === "hub" ? source.id : `./${source.name}`)
}

function call(options: readonly string[]): readonly string[] {
  return ["const { images } = await pipe({", ...options.map(option => `  ${option},`), "})"]
}

function sampling({ sampler, steps }: Settings): readonly string[] {
  const options = Object.entries(samplerOptions(sampler)).map(
    ([name, value]) => `${name}: ${JSON.stringify(value)}`,
  )
  return samplerFacts(sampler).steps > 0 ? [...options, `numInferenceSteps: ${steps}`] : options
}

function editing({ steps, seed, count }: Settings): readonly string[] {
  return [`numInferenceSteps: ${steps}`, `seed: ${seed}`, `numImagesPerInput: ${count}`]
}
