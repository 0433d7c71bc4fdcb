import { signal, useComputed, useSignal, useSignalEffect } from "@preact/signals"
import { useRef } from "preact/hooks"
import { downloadPng, inGrey, maskPicture, readPicture } from "../download.ts"
import { busy, edit, editSelected, mask, model, notice, original, pictures, settings } from "../state.ts"
import { say } from "./live-region.tsx"
import { PictureCanvas } from "./picture-canvas.tsx"

const brush = signal(5)
const erasing = signal(false)

/** The picture to edit; for inpainting, with a brush that marks what is to be made anew. */
export function MaskEditor() {
  const painting = settings.value.mode === "inpaint"
  const picture = original.value
  const frame = useComputed(() => {
    const found = original.value
    return found && { count: 1, ...(settings.value.mode === "colorize" ? inGrey(found) : found) }
  })
  const readFrame = useRef(() => frame.value)
  return (
    <section
      class="editor"
      aria-label={`Picture to ${settings.value.mode}${picture ? `: ${picture.label}` : ""}`}
    >
      <div class="easel-room">
        <div class="easel" style={{ "--form": picture ? picture.width / picture.height : 1 }}>
          {picture ? (
            <>
              <PictureCanvas frame={readFrame.current} index={0} />
              {painting && (
                <Brush
                  key={`${picture.width}×${picture.height}`}
                  width={picture.width}
                  height={picture.height}
                />
              )}
            </>
          ) : (
            <p>No picture yet.</p>
          )}
        </div>
      </div>
      {painting && (
        <div class="tools">
          <label class="tool">
            Brush
            <input
              type="range"
              min={1}
              max={picture ? Math.max(9, Math.round(picture.width / 4)) : 9}
              value={brush.value}
              aria-valuetext={`${brush.value} pixels`}
              onInput={event => {
                brush.value = event.currentTarget.valueAsNumber
              }}
            />
          </label>
          <button
            type="button"
            class="quiet"
            aria-pressed={erasing.value}
            disabled={busy.value}
            onClick={() => {
              erasing.value = !erasing.value
            }}
          >
            Erase
          </button>
          <button type="button" class="quiet" disabled={busy.value || !picture} onClick={clear}>
            Clear
          </button>
          <button type="button" class="quiet" disabled={busy.value || !picture} onClick={invert}>
            Invert
          </button>
        </div>
      )}
      <div class="tools">
        <button type="button" class="quiet" disabled={busy.value || !pictures.value} onClick={editSelected}>
          Take the selected
        </button>
        <label class="file">
          <input
            type="file"
            accept="image/*"
            aria-label="Open a picture"
            disabled={busy.value}
            onChange={event => void open(event.currentTarget)}
          />
          <span class="quiet">Open …</span>
        </label>
        {picture && (
          <button type="button" class="quiet" onClick={() => void downloadInputs()}>
            Save {painting ? "picture and mask" : "picture"}
          </button>
        )}
      </div>
      {painting && picture && (
        <p class="brush-keys" id="brush-keys">
          Arrow keys move the brush, the space bar paints; Shift erases.
        </p>
      )}
    </section>
  )
}

function clear(): void {
  mask.value = new Uint8Array(mask.value.length)
}

function invert(): void {
  mask.value = mask.value.map(part => 1 - part)
}

async function open(input: HTMLInputElement): Promise<void> {
  const file = input.files?.[0]
  input.value = ""
  if (!file) return
  try {
    edit(await readPicture(file, model.value?.width ?? 32, model.value?.height ?? 32), file.name, file)
    notice.value = undefined
    say(`Opened ${file.name}.`)
  } catch {
    notice.value = { kind: "failed", message: `${file.name} is no picture that this browser can read.` }
  }
}

/** What the code on this page reads. */
async function downloadInputs(): Promise<void> {
  const picture = original.value
  if (!picture) return
  await downloadPng(picture, "picture.png")
  if (settings.value.mode === "inpaint") {
    await downloadPng(maskPicture(mask.value, picture.width, picture.height), "mask.png")
  }
}

interface Size {
  readonly width: number
  readonly height: number
}

/** The mask over the picture: painted with a pointer, or with the arrow keys and the space bar. */
function Brush({ width, height }: Size) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const cursor = useSignal({ x: Math.floor(width / 2), y: Math.floor(height / 2) })
  const focused = useSignal(false)
  const stroke = useRef<{ readonly fill: number; x: number; y: number } | undefined>(undefined)

  useSignalEffect(() => {
    const context = canvas.current?.getContext("2d")
    const image = new ImageData(width, height)
    const pixels = new Uint32Array(image.data.buffer)
    const painted = mask.value
    // Red, mostly opaque, as bytes from the lowest: R, G, B, A.
    for (let i = 0; i < painted.length; i++) if (painted[i] === 1) pixels[i] = 0xc82a4dff
    if (focused.value) {
      for (const i of cellsAround(cursor.value, { width, height }))
        pixels[i] = painted[i] ? 0xff8fa8ff : 0x902a4dff
    }
    context?.putImageData(image, 0, 0)
  })

  const cellAt = (event: PointerEvent) => {
    const box = canvas.current!.getBoundingClientRect()
    return {
      x: Math.floor(((event.clientX - box.left) / box.width) * width),
      y: Math.floor(((event.clientY - box.top) / box.height) * height),
    }
  }
  const paint = (cells: readonly Cell[], fill: number) => {
    const painted = mask.value.slice()
    for (const cell of cells) for (const i of cellsAround(cell, { width, height })) painted[i] = fill
    mask.value = painted
  }
  // A large picture has more pixels than anyone wants to press keys for.
  const stride = Math.max(1, Math.round(width / 32))
  const moves: Readonly<Record<string, readonly [number, number]>> = {
    ArrowLeft: [-stride, 0],
    ArrowRight: [stride, 0],
    ArrowUp: [0, -stride],
    ArrowDown: [0, stride],
  }

  return (
    // biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: it is painted on, with the keyboard too
    <canvas
      ref={canvas}
      class="brush"
      width={width}
      height={height}
      tabIndex={0}
      role="application"
      aria-label="Mask"
      aria-describedby="brush-keys"
      onFocus={() => {
        focused.value = true
      }}
      onBlur={() => {
        focused.value = false
      }}
      onPointerDown={event => {
        if (busy.value) return
        event.preventDefault()
        canvas.current!.focus()
        canvas.current!.setPointerCapture(event.pointerId)
        const cell = cellAt(event)
        stroke.current = { fill: erases(event.shiftKey || event.button === 2) ? 0 : 1, ...cell }
        cursor.value = cell
        paint([cell], stroke.current.fill)
      }}
      onPointerMove={event => {
        const line = stroke.current
        if (!line) return
        const to = cellAt(event)
        // A fast hand skips pixels.
        const steps = Math.max(Math.abs(to.x - line.x), Math.abs(to.y - line.y), 1)
        const cells = Array.from({ length: steps }, (_, i) => ({
          x: Math.round(line.x + ((to.x - line.x) * (i + 1)) / steps),
          y: Math.round(line.y + ((to.y - line.y) * (i + 1)) / steps),
        }))
        paint(cells, line.fill)
        cursor.value = to
        line.x = to.x
        line.y = to.y
      }}
      onLostPointerCapture={() => {
        stroke.current = undefined
      }}
      onContextMenu={event => event.preventDefault()}
      onKeyDown={event => {
        const move = moves[event.key]
        if (event.key === " " && !busy.value) {
          const erase = erases(event.shiftKey)
          paint([cursor.value], erase ? 0 : 1)
          say(erase ? "Erased." : "Painted.")
        } else if (move) {
          const { x, y } = cursor.value
          cursor.value = { x: clamp(x + move[0], width), y: clamp(y + move[1], height) }
          say(`Row ${cursor.value.y + 1}, column ${cursor.value.x + 1}.`)
        } else return
        event.preventDefault()
        event.stopPropagation()
      }}
    />
  )
}

/** Whether the brush erases: a key or button for it turns around what is set. */
function erases(otherwise: boolean): boolean {
  return erasing.value !== otherwise
}

interface Cell {
  readonly x: number
  readonly y: number
}

function clamp(value: number, size: number): number {
  return Math.min(Math.max(value, 0), size - 1)
}

/** The pixels under a round brush. */
function cellsAround({ x, y }: Cell, { width, height }: Size): number[] {
  const radius = brush.value / 2
  const cells: number[] = []
  for (let row = Math.ceil(y - radius); row <= y + radius; row++) {
    for (let column = Math.ceil(x - radius); column <= x + radius; column++) {
      if (row < 0 || column < 0 || row >= height || column >= width) continue
      if (Math.hypot(row - y, column - x) <= radius) cells.push(row * width + column)
    }
  }
  return cells
}
