// What is known of a picture, and the rest found by the model.
import {
  type DiffusionPipeline,
  Image,
  type RestorationSettings,
  ScoreSdeColorizationPipeline,
  ScoreSdeInpaintPipeline,
} from "score-sde"
import type { Edit, Picture } from "./protocol.ts"

/** Makes the masked part of the picture anew. */
export function inpaint(pipe: DiffusionPipeline, { picture, mask }: Edit, settings: RestorationSettings) {
  const fill = new Image({
    width: picture.width,
    height: picture.height,
    channels: 1,
    data: mask.map(part => part * 255),
  })
  const image = imageOf(picture)
  return new ScoreSdeInpaintPipeline(pipe)({ ...settings, image, mask: fill, maskWhite: "fill" })
}

/** Finds colours for the picture in grey. */
export function colorize(pipe: DiffusionPipeline, { picture }: Edit, settings: RestorationSettings) {
  return new ScoreSdeColorizationPipeline(pipe)({ ...settings, image: imageOf(picture) })
}

function imageOf({ width, height, rgba }: Picture): Image {
  return new Image({ width, height, channels: 4, data: new Uint8Array(rgba.buffer) }).toChannels(3)
}
