// Makes the pictures of docs/controllable.md: npx tsx scripts/controllable-pictures.ts [inpaint|colorize|upscale …]
import { formatSeconds } from "../src/cli/format.ts"
import { SamplingProgress } from "../src/cli/sampling-progress.ts"
import { Terminal } from "../src/cli/terminal.ts"
import {
  DiffusionPipeline,
  Image,
  makeGrid,
  type RestorationSettings,
  ScoreSdeColorizationPipeline,
  ScoreSdeInpaintPipeline,
  ScoreSdeUpscalePipeline,
} from "../src/index.ts"
import { enlarge } from "./enlarge.ts"

const side = 32
const scale = 3
const numInferenceSteps = 60
const numImagesPerInput = 3

const terminal = new Terminal()
await using pipe = await DiffusionPipeline.fromPretrained("models/ncsnpp-emoji-32")
const originals = await demoPictures([0, 7, 12])

const pictures: Readonly<Record<string, () => Promise<readonly Image[]>>> = {
  async inpaint() {
    const mask = new Image({
      width: side,
      height: side,
      channels: 1,
      data: Uint8Array.from({ length: side * side }, (_, i) => (i % side < side / 2 ? 255 : 0)),
    })
    const shown = originals.map(image => ({
      ...image,
      data: image.data.map((value, i) => (mask.data[Math.floor(i / 3)] === 255 ? value : 200)),
    }))
    const { images } = await new ScoreSdeInpaintPipeline(pipe)({ image: originals, mask, ...settings() })
    return rows(
      shown.map(pixels => new Image(pixels)),
      images,
    )
  },
  async colorize() {
    const { images } = await new ScoreSdeColorizationPipeline(pipe)({ image: originals, ...settings() })
    return rows(originals.map(meanOfChannels), images)
  },
  async upscale() {
    const small = originals.map(image => averaged(image, 4))
    const { images } = await new ScoreSdeUpscalePipeline(pipe)({
      image: small,
      ...settings(),
      numInferenceSteps: 150,
    })
    return rows(
      small.map(image => enlarge(image, 4)),
      images,
    )
  },
}

const asked = process.argv.slice(2)
for (const name of asked.length > 0 ? asked : Object.keys(pictures)) {
  const start = performance.now()
  const images = await pictures[name]!()
  terminal.endProgress()
  const path = `docs/images/${name}.png`
  await enlarge(makeGrid(images, { columns: 4 }), scale).save(path)
  console.log(`${path} in ${formatSeconds((performance.now() - start) / 1000)}`)
}

function settings() {
  const progress = new SamplingProgress(terminal, 1)
  return {
    seed: 1,
    numInferenceSteps,
    numImagesPerInput,
    onProgress: ({ step, totalSteps }) => progress.show({ first: 0, count: 1 }, step, totalSteps),
  } satisfies RestorationSettings
}

/** Samples of the model, from the picture of the README. */
async function demoPictures(numbers: readonly number[]): Promise<Image[]> {
  const demo = await Image.read("docs/images/demo.png", { channels: 3 })
  const cell = side + 2
  return numbers.map(number => {
    const [left, top] = [2 + (number % 4) * cell, 2 + Math.floor(number / 4) * cell]
    const data = Uint8Array.from({ length: side * side * 3 }, (_, i) => {
      const [x, y] = [left + (Math.floor(i / 3) % side), top + Math.floor(i / 3 / side)]
      return demo.data[(y * scale * demo.width + x * scale) * 3 + (i % 3)]!
    })
    return new Image({ width: side, height: side, channels: 3, data })
  })
}

/** Each input with what was made of it. */
function rows(inputs: readonly Image[], made: readonly Image[]): Image[] {
  return inputs.flatMap((input, i) => [
    input,
    ...made.slice(i * numImagesPerInput, (i + 1) * numImagesPerInput),
  ])
}

function meanOfChannels({ width, height, data }: Image): Image {
  const grey = Uint8Array.from(
    { length: width * height },
    (_, i) => (data[3 * i]! + data[3 * i + 1]! + data[3 * i + 2]!) / 3,
  )
  return new Image({ width, height, channels: 1, data: grey })
}

function averaged({ width, height, data }: Image, factor: number): Image {
  const [w, h] = [width / factor, height / factor]
  const means = Uint8Array.from({ length: w * h * 3 }, (_, i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % w, Math.floor(i / 3 / w)]
    let sum = 0
    for (let row = y * factor; row < (y + 1) * factor; row++) {
      for (let column = x * factor; column < (x + 1) * factor; column++)
        sum += data[(row * width + column) * 3 + c]!
    }
    return Math.round(sum / factor ** 2)
  })
  return new Image({ width: w, height: h, channels: 3, data: means })
}
