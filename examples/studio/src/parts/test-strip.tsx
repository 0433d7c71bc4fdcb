import { signal } from "@preact/signals"
import type { Frame } from "../engine/protocol.ts"
import { history, moment, predicted, selected } from "../state.ts"
import { noiseLevel } from "../text.ts"
import { Downloads } from "./downloads.tsx"
import { PictureCanvas } from "./picture-canvas.tsx"

// As many as leave each the width, in pixels, of what is printed below it.
const edgeWidth = 58
const fitting = () => Math.min(Math.max(Math.floor(innerWidth / edgeWidth), 5), 14)
const most = signal(fitting())
addEventListener("resize", () => {
  most.value = fitting()
})

/** The selected picture on its way out of the noise, to look back at. */
export function TestStrip() {
  history.changes.value
  const { moments } = history
  const shown = Math.min(most.value, Math.max(moments.length, 1))
  const places = Array.from({ length: shown }, (_, i) =>
    shown === 1 ? 0 : Math.round((i * (moments.length - 1)) / (shown - 1)),
  )
  const at = moment.value ?? moments.length - 1
  const hasPrediction = moments.some(state => state.predicted !== undefined)
  const told = moments[at]
  return (
    <section class="test-strip" aria-label="Denoising" data-empty={moments.length === 0}>
      <div class="test-strip-head">
        <h2>Test strip</h2>
        <p>
          {told
            ? `Picture ${selected.value + 1} after step ${told.step}${told.sigma === undefined ? "" : `, σ\u00a0${noiseLevel(told.sigma)}`}`
            : "Every step of the selected picture will hang here."}
        </p>
        <fieldset class="switch" disabled={!hasPrediction}>
          <legend class="hidden">Show</legend>
          <label>
            <input
              type="radio"
              name="view"
              checked={!predicted.value}
              onChange={() => {
                predicted.value = false
              }}
            />
            <span>Sample</span>
          </label>
          <label>
            <input
              type="radio"
              name="view"
              checked={predicted.value}
              onChange={() => {
                predicted.value = true
              }}
            />
            <span>Prediction</span>
          </label>
        </fieldset>
        <Downloads />
      </div>
      <div class="test-strip-film" style={{ "--places": most.value }}>
        {moments.length === 0 &&
          Array.from({ length: most.value }, (_, i) => <span class="test-strip-frame" key={i} />)}
        {moments.length > 0 &&
          places.map((place, i) => (
            <span class="test-strip-frame" key={i} data-past={place <= at}>
              <PictureCanvas frame={frameOf(place)} index={selected.value} />
              <span class="strip-edge" aria-hidden="true">
                {edgeOf(moments[place]?.sigma)}
              </span>
            </span>
          ))}
        <input
          type="range"
          aria-label="Step to look at"
          aria-valuetext={told ? `After step ${told.step}` : "Nothing yet"}
          min={0}
          max={Math.max(moments.length - 1, 1)}
          value={Math.max(at, 0)}
          disabled={moments.length < 2}
          style={{ "--shown": shown }}
          onInput={event => {
            const to = event.currentTarget.valueAsNumber
            moment.value = to >= moments.length - 1 ? undefined : to
          }}
        />
      </div>
    </section>
  )
}

const framesByPlace: (() => Frame | undefined)[] = []

/** The picture after the step at a place of the history, the same function each time. */
function frameOf(place: number): () => Frame | undefined {
  return (framesByPlace[place] ??= () => {
    history.changes.value
    const state = history.moments[place]
    return state && (predicted.value ? (state.predicted ?? state.sample) : state.sample)
  })
}

function edgeOf(sigma: number | undefined): string {
  return sigma === undefined ? "" : `σ ${noiseLevel(sigma)}`
}
