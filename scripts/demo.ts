// What `npm run demo` shows: sixteen pictures from the model in this repository, without a connection.
import { formatSeconds } from "../src/cli/format.ts"
import { SamplingProgress } from "../src/cli/sampling-progress.ts"
import { Terminal } from "../src/cli/terminal.ts"
import { DiffusionPipeline, makeGrid } from "../src/index.ts"
import { enlarge } from "./enlarge.ts"

const model = "models/ncsnpp-emoji-32"
const path = "out/demo.png"
const pictures = 16
const numInferenceSteps = 200
const scale = 3

const terminal = new Terminal()
const start = performance.now()
await using pipe = await DiffusionPipeline.fromPretrained(model)
terminal.note(`Sampling ${pictures} pictures from ${model} on ${pipe.unet.device}.`)
const progress = new SamplingProgress(terminal, pictures)
const { images, nfe } = await pipe({
  seed: 2026,
  batchSize: pictures,
  numInferenceSteps,
  onProgress: ({ step, totalSteps }) => progress.show({ first: 0, count: pictures }, step, totalSteps),
})
terminal.endProgress()
await enlarge(makeGrid(images), scale).save(path)
const seconds = formatSeconds((performance.now() - start) / 1000)
console.log(
  `${path}: ${pictures} pictures in ${seconds}, ${nfe} evaluations of the network on ${pipe.unet.device}.`,
)
