/** The channels that a picture can have: grey, grey and alpha, RGB, or RGB and alpha. */
export type ImageChannels = 1 | 2 | 3 | 4

/** A picture as plain data: rows of pixels of `channels` bytes (HWC), sRGB, alpha not premultiplied. */
export interface Pixels {
  readonly width: number
  readonly height: number
  readonly channels: ImageChannels
  readonly data: Uint8Array
}

/** Media types of the files that pictures are written to and read from. */
export type ImageType = "image/png" | "image/jpeg" | "image/webp"
