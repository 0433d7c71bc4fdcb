import { effect } from "@preact/signals"
import { useEffect, useRef } from "preact/hooks"
import type { Frame } from "../engine/protocol.ts"

interface Props {
  /** The canvas follows the signals that it reads; the same function for the same frame. */
  readonly frame: () => Frame | undefined
  readonly index: number
}

/** One picture of a frame, in its own pixels; how large they look is up to the style sheet. */
export function PictureCanvas({ frame, index }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null)
  useEffect(
    () =>
      effect(() => {
        const found = frame()
        if (canvas.current && found && index < found.count) draw(canvas.current, found, index)
      }),
    [frame, index],
  )
  return <canvas ref={canvas} width={32} height={32} />
}

function draw(canvas: HTMLCanvasElement, { width, height, rgba }: Frame, index: number): void {
  if (canvas.width !== width) canvas.width = width
  if (canvas.height !== height) canvas.height = height
  const bytes = width * height * 4
  const pixels = new ImageData(rgba.subarray(index * bytes, (index + 1) * bytes), width, height)
  // Nothing but whole pictures are put there, for which the way over the GPU is a detour.
  canvas.getContext("2d", { willReadFrequently: true })!.putImageData(pixels, 0, 0)
}
