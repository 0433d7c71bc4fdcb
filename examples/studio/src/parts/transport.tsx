import { effect } from "@preact/signals"
import type { ComponentChildren } from "preact"
import { useEffect, useRef } from "preact/hooks"
import { isAdaptive, type Mode } from "../settings.ts"
import {
  busy,
  halt,
  missing,
  notice,
  pace,
  ranWith,
  secondsLeft,
  settings,
  start,
  step,
  work,
} from "../state.ts"
import { bytes, clock, deviceName, noiseLevel, rate } from "../text.ts"

const verbs: { readonly [M in Mode]: string } = {
  sample: "Sample",
  inpaint: "Inpaint",
  colorize: "Colorize",
  interpolate: "Interpolate",
}

/** Start and stop, and how far it is. */
export function Transport() {
  const running = busy.value
  const stop = useRef<HTMLButtonElement>(null)
  useFocusKept(stop)
  return (
    <section class="transport" aria-label="Progress">
      <div class="buttons">
        <button
          type="button"
          class="go"
          disabled={running || missing.value !== undefined}
          aria-describedby="notice"
          onClick={() => {
            // On a phone the settings may be where the pictures were.
            document.querySelector(".sheet")?.scrollIntoView({ block: "nearest", behavior: motion() })
            void start()
          }}
        >
          {verbs[settings.value.mode]}
        </button>
        <button
          ref={stop}
          type="button"
          class="halt"
          aria-disabled={!running || work.value.kind === "stopping"}
          onClick={halt}
        >
          {work.value.kind === "stopping" ? "Stopping" : "Stop"}
        </button>
      </div>
      <Readings />
      <p class="notice" id="notice" data-kind={notice.value?.kind}>
        {noticeText()}
      </p>
      <div class="bar-track" aria-hidden="true">
        <div class="bar-fill" style={{ transform: `scaleX(${fraction()})` }} />
      </div>
    </section>
  )
}

/** How to scroll for this visitor. */
function motion(): ScrollBehavior {
  return matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth"
}

// What can be disabled during a run.
const pausing = ".controls *, .go, .tools *, .device *"

/**
 * What has the focus when a run begins may be disabled by it: the button that stops has the focus then, and gives it
 * back. So that button is never disabled itself.
 */
function useFocusKept(stop: { readonly current: HTMLElement | null }): void {
  useEffect(() => {
    let last: HTMLElement | undefined
    return effect(() => {
      const focused = document.activeElement
      if (busy.value) {
        last = focused instanceof HTMLElement && focused.matches(pausing) ? focused : undefined
        if (last) stop.current?.focus()
      } else if (last && focused === stop.current) {
        const before = last
        // Once it has been drawn, and can take the focus again.
        setTimeout(() => before.focus())
      }
    })
  }, [stop])
}

function Readings() {
  const state = work.value
  if (state.kind === "loading") {
    const { loaded, total } = state
    return (
      <dl class="readings">
        <Reading name="Model" wide>
          {total === 0 ? "…" : Math.min(Math.floor((100 * loaded) / total), 100)}
          <small>{total === 0 ? "" : " %"}</small>
        </Reading>
        <Reading name="Loaded">
          {total === 0 ? loadedSoFar(loaded) : `${bytes(loaded)} of ${bytes(total)}`}
        </Reading>
      </dl>
    )
  }
  const at = step.value
  const adaptive = isAdaptive(ranWith())
  const [done, total] = [at?.step ?? 0, at?.totalSteps ?? settings.value.steps]
  const left = secondsLeft.value
  return (
    <dl class="readings">
      <Reading name={adaptive ? "Way" : "Step"} wide>
        {adaptive ? Math.floor((100 * done) / total) : done}
        <small>{adaptive ? " %" : `/${total}`}</small>
      </Reading>
      {adaptive && <Reading name="Evaluations">{at?.nfe ?? "–"}</Reading>}
      <Reading name={adaptive ? "a second" : "Steps/s"}>
        {pace.value === undefined ? "–" : rate(pace.value)}
      </Reading>
      {!adaptive && <Reading name="Left">{left === undefined ? "–" : clock(left)}</Reading>}
      <Reading name="Noise">
        <i>σ</i> {at?.sigma === undefined ? "–" : noiseLevel(at.sigma)}
      </Reading>
    </dl>
  )
}

function loadedSoFar(loaded: number): string {
  return loaded === 0 ? "–" : bytes(loaded)
}

function Reading({ name, wide, children }: { name: string; wide?: boolean; children: ComponentChildren }) {
  return (
    <div class="reading" data-wide={wide}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function noticeText(): string {
  const told = notice.value
  if (told?.kind === "failed") return told.hint ? `${told.message} ${told.hint}` : told.message
  if (missing.value !== undefined) return missing.value
  if (told === undefined) return work.value.kind === "loading" ? loadingText(work.value) : ""
  if (told.kind === "stopped") return "Stopped."
  const seconds = told.seconds < 10 ? told.seconds.toFixed(1) : told.seconds.toFixed(0)
  const evaluations = told.nfe === 1 ? "one evaluation" : `${told.nfe} evaluations`
  const lost = told.lost ? ` ${deviceName(told.lost)} was lost on the way; another device went on.` : ""
  return `Done in ${seconds} s, with ${evaluations} of the network.${lost}`
}

function loadingText({ loaded, total }: { readonly loaded: number; readonly total: number }): string {
  return total > 0 && loaded >= total ? "Making the model ready for this device …" : "Loading the model …"
}

function fraction(): number {
  const state = work.value
  if (state.kind === "loading") return state.total > 0 ? Math.min(state.loaded / state.total, 1) : 0
  return step.value ? step.value.step / step.value.totalSteps : 0
}
