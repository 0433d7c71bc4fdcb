// What `npm run demo` shows: sixteen pictures from the model in this repository, without a network.
import { StepBar } from "../src/cli/progress.ts"
import { DiffusionPipeline, Image, makeGrid } from "../src/index.ts"

const numInferenceSteps = 200
const scale = 3

const start = performance.now()
await using pipe = await DiffusionPipeline.fromPretrained("models/ncsnpp-emoji-32")
const bar = new StepBar("Sampling 16 pictures", numInferenceSteps)
const { images, nfe } = await pipe({
  seed: 2026,
  batchSize: 16,
  numInferenceSteps,
  onProgress: ({ step }) => bar.update(step),
})
bar.end()
const path = "out/demo.png"
await enlarge(makeGrid(images, { columns: 4 })).save(path)
const seconds = ((performance.now() - start) / 1000).toFixed(1)
console.log(`${path}: 16 pictures, ${nfe} evaluations of the network on ${pipe.unet.device}, ${seconds} s`)

/** Repeats every pixel, since pictures of 32 pixels are small on today's screens. */
function enlarge({ width, height, channels, data }: Image): Image {
  const large = new Uint8Array(data.length * scale * scale)
  for (let y = 0; y < height * scale; y++) {
    for (let x = 0; x < width * scale; x++) {
      const from = (Math.floor(y / scale) * width + Math.floor(x / scale)) * channels
      large.set(data.subarray(from, from + channels), (y * width * scale + x) * channels)
    }
  }
  return new Image({ width: width * scale, height: height * scale, channels, data: large })
}
