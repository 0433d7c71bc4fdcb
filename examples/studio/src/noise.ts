import type { Frame } from "./engine/protocol.ts"

/** What lies on the sheet before anything is made: noise that changes with the seed. */
export function noiseFrame(count: number, width: number, height: number, seed: number): Frame {
  const rgba = new Uint8ClampedArray(count * width * height * 4)
  let state = seed >>> 0
  // The generator mulberry32.
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  // Twelve uniform numbers would be a better bell; three look the same.
  for (let i = 0; i < rgba.length; i++)
    rgba[i] = i % 4 === 3 ? 255 : 127.5 + 230 * (next() + next() + next() - 1.5)
  return { count, width, height, rgba }
}
