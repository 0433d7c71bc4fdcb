import { signal } from "@preact/signals"
import { useEffect } from "preact/hooks"
import { isAdaptive } from "../settings.ts"
import { notice, ranWith, secondsLeft, step, work } from "../state.ts"
import { deviceName } from "../text.ts"

const pauseMs = 15_000
const spoken = signal("")

/** Has a screen reader say something when it is free to. */
export function say(text: string): void {
  spoken.value = text
}

/** Tells screen readers how far it is: at once when something begins or ends, else a few times a minute. */
export function LiveRegion() {
  const kind = work.value.kind
  const told = notice.value
  useEffect(() => {
    if (kind === "loading") say("Loading the model.")
    if (kind === "idle" && told) say(ending(told))
    if (kind !== "sampling") return
    say("Sampling.")
    const timer = setInterval(() => say(progress()), pauseMs)
    return () => clearInterval(timer)
  }, [kind, told])
  return (
    <p class="hidden" role="status" aria-live="polite">
      {spoken}
    </p>
  )
}

function ending(told: NonNullable<typeof notice.value>): string {
  if (told.kind === "stopped") return "Stopped."
  if (told.kind === "failed") return `Failed. ${told.message} ${told.hint ?? ""}`.trim()
  return told.lost ? `Done. ${deviceName(told.lost)} was lost on the way.` : "Done."
}

function progress(): string {
  const at = step.value
  if (!at) return "Sampling."
  if (isAdaptive(ranWith())) return `${Math.floor((100 * at.step) / at.totalSteps)} per cent of the way.`
  const left = secondsLeft.value
  const rest = left === undefined ? "" : `, about ${Math.ceil(left)} seconds left`
  return `Step ${at.step} of ${at.totalSteps}${rest}.`
}
