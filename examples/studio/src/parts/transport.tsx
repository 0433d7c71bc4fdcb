import type { ComponentChildren } from "preact"
import { edits } from "../settings.ts"
import { busy, halt, masked, notice, original, pace, settings, start, step, work } from "../state.ts"
import { bytes, clock, noiseLevel, rate } from "../text.ts"

const verbs = {
  sample: "Sample",
  inpaint: "Inpaint",
  colorize: "Colorize",
  interpolate: "Interpolate",
} as const

/** Start and stop, and how far it is. */
export function Transport() {
  const { mode } = settings.value
  const running = busy.value
  const at = step.value
  const state = work.value
  return (
    <section class="transport" aria-label="Progress">
      <div class="buttons">
        <button
          type="button"
          class="go"
          disabled={running || missing(mode) !== undefined}
          aria-describedby="missing"
          onClick={() => void start()}
        >
          {verbs[mode]}
        </button>
        <button type="button" class="halt" disabled={!running || state.kind === "stopping"} onClick={halt}>
          Stop
        </button>
      </div>
      {state.kind === "loading" ? (
        <dl class="readings">
          <Reading name="Loading">
            {state.total > 0 ? `${bytes(state.loaded)} of ${bytes(state.total)}` : "the model"}
          </Reading>
        </dl>
      ) : (
        <dl class="readings">
          <Reading name="Step" wide>
            {at ? (
              <>
                {at.step}
                <small>/{at.totalSteps}</small>
              </>
            ) : (
              <>
                0<small>/{settings.value.steps}</small>
              </>
            )}
          </Reading>
          <Reading name="Steps/s">{pace.value ? rate(pace.value.rate) : "–"}</Reading>
          <Reading name="Left">{running && pace.value ? clock(pace.value.left) : "–"}</Reading>
          <Reading name="Noise">
            <i>σ</i> {at?.sigma === undefined ? "–" : noiseLevel(at.sigma)}
          </Reading>
        </dl>
      )}
      <p class="notice" id="missing" data-kind={notice.value?.kind}>
        {missing(mode) ?? noticeText()}
      </p>
      <div class="bar-track" aria-hidden="true">
        <div class="bar-fill" style={{ transform: `scaleX(${fraction()})` }} />
      </div>
    </section>
  )
}

function Reading({ name, wide, children }: { name: string; wide?: boolean; children: ComponentChildren }) {
  return (
    <div class="reading" data-wide={wide}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

/** What has to be there before the run can start. */
function missing(mode: keyof typeof verbs): string | undefined {
  if (!edits(mode)) return undefined
  if (original.value === undefined) return "Sample first, or open a picture."
  return mode === "inpaint" && !masked.value ? "Paint over what shall be made anew." : undefined
}

function noticeText(): string {
  const told = notice.value
  if (told === undefined) return ""
  if (told.kind === "stopped") return "Stopped."
  if (told.kind === "failed") return told.hint ? `${told.message} ${told.hint}` : told.message
  const seconds = told.seconds < 10 ? told.seconds.toFixed(1) : told.seconds.toFixed(0)
  return `Done in ${seconds} s, with ${told.nfe} evaluations of the network.`
}

function fraction(): number {
  const state = work.value
  if (state.kind === "loading") return state.total > 0 ? state.loaded / state.total : 0
  return step.value ? step.value.step / step.value.totalSteps : 0
}
