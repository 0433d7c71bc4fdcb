import { useComputed, useSignal } from "@preact/signals"
import { useEffect, useMemo, useRef } from "preact/hooks"
import { noiseFrame } from "../noise.ts"
import { model, record, selected, settings, shown } from "../state.ts"
import { PictureCanvas } from "./picture-canvas.tsx"

// As in the style sheet, where the sheet is as high as its pictures.
const oneColumn = matchMedia("(width < 60rem)")
const shareOfScreen = 0.5
const gap = 8
const edgePrint = 26
// A letter of it, and the number before it, in pixels.
const letter = 6.7
const edgeNumber = 44

/** The pictures, like a contact sheet: strips of film with their numbers along the edge. */
export function Sheet() {
  const place = useRef<HTMLDivElement>(null)
  const room = useSignal({ width: 0, height: 0 })
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect
      room.value = { width, height }
    })
    observer.observe(place.current!)
    return () => observer.disconnect()
  }, [room])

  // A step changes what is on the pictures, but not how they lie.
  const blank = useComputed(() => shown.value === undefined).value
  const count = useComputed(() => shown.value?.count ?? settings.value.count).value
  const width = useComputed(() => shown.value?.width ?? model.value?.width ?? 32).value
  const height = useComputed(() => shown.value?.height ?? model.value?.height ?? 32).value
  const { seed } = settings.value
  const frame = useMemo(() => {
    const noise = noiseFrame(count, width, height, seed)
    return () => shown.value ?? noise
  }, [count, width, height, seed])
  const { columns, cell } = arrange(count, width, height, room.value)
  const last = Math.min(selected.value, count - 1)

  const choose = (index: number) => {
    if (index < 0 || index >= count) return
    selected.value = index
    place.current?.querySelector<HTMLElement>(`[data-index="${index}"]`)?.focus()
  }
  const steps: Readonly<Record<string, number>> = {
    ArrowRight: 1,
    ArrowLeft: -1,
    ArrowDown: columns,
    ArrowUp: -columns,
    Home: -last,
    End: count - 1 - last,
  }

  return (
    <div class="sheet" ref={place} data-blank={blank}>
      <div
        class="film"
        role="toolbar"
        aria-label="Contact sheet"
        style={{
          "--cell": `${cell}px`,
          "--cell-height": `${(cell * height) / width}px`,
          "--columns": columns,
        }}
      >
        {Array.from({ length: Math.ceil(count / columns) }, (_, row) => (
          <div class="film-strip" key={row}>
            {Array.from({ length: Math.min(columns, count - row * columns) }, (_, column) => {
              const index = row * columns + column
              return (
                <button
                  type="button"
                  class="exposure"
                  key={index}
                  data-index={index}
                  aria-pressed={index === last}
                  tabIndex={index === last ? 0 : -1}
                  onClick={() => {
                    selected.value = index
                  }}
                  onKeyDown={event => {
                    const by = steps[event.key]
                    if (by === undefined) return
                    event.preventDefault()
                    choose(index + by)
                  }}
                >
                  <PictureCanvas frame={frame} index={index} />
                  <span class="edge">
                    <span class="hidden">Picture </span>
                    <b>{index + 1}</b> <EdgeText index={index} room={cell} />
                  </span>
                </button>
              )
            })}
          </div>
        ))}
      </div>
    </div>
  )
}

/** What is printed beside a picture's number, where there is room; half of a seed would be another seed. */
function EdgeText({ index, room }: { readonly index: number; readonly room: number }) {
  const text = edgeText(index)
  return <span class={edgeNumber + letter * text.length > room ? "hidden" : ""}>{text}</span>
}

function edgeText(index: number): string {
  const { mode, seed, seedTo, count } = record.value?.settings ?? settings.value
  if (mode === "interpolate") {
    if (index === 0) return `seed ${seed}`
    return index === count - 1 ? `seed ${seedTo}` : `${Math.round((100 * index) / (count - 1))} %`
  }
  return count === 1 ? `seed ${seed}` : `seed ${seed}·${index}`
}

/** As many columns as make the pictures largest, and their width in whole multiples of their pixels. */
function arrange(
  count: number,
  width: number,
  height: number,
  room: { readonly width: number; readonly height: number },
): { readonly columns: number; readonly cell: number } {
  const form = height / width
  const roomHeight = oneColumn.matches ? innerHeight * shareOfScreen : room.height
  const cellWith = (columns: number) => {
    const across = (room.width - gap * (columns + 1)) / columns
    const rows = Math.ceil(count / columns)
    return Math.min(across, (roomHeight - rows * (edgePrint + 2 * gap)) / rows / form)
  }
  let columns = 1
  for (let c = 2; c <= count; c++) if (cellWith(c) > cellWith(columns)) columns = c
  const unit = width / devicePixelRatio
  const cell = Math.max(cellWith(columns), 24)
  return { columns, cell: cell >= unit ? Math.floor(cell / unit) * unit : cell }
}
