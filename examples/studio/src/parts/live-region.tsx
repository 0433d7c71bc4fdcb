import { signal } from "@preact/signals"
import { useEffect } from "preact/hooks"
import { notice, pace, step, work } from "../state.ts"

const pauseMs = 5000
const spoken = signal("")

/** Tells screen readers how far it is: at once when something begins or ends, else every few seconds. */
export function LiveRegion() {
  const kind = work.value.kind
  const told = notice.value
  useEffect(() => {
    if (kind === "loading") spoken.value = "Loading the model."
    if (kind === "idle" && told) {
      spoken.value =
        told.kind === "done" ? "Done." : told.kind === "stopped" ? "Stopped." : `Failed. ${told.message}`
    }
    if (kind !== "sampling") return
    const tell = () => {
      const at = step.value
      const left = pace.value ? `, about ${Math.ceil(pace.value.left)} seconds left` : ""
      if (at) spoken.value = `Step ${at.step} of ${at.totalSteps}${left}.`
    }
    const timer = setInterval(tell, pauseMs)
    return () => clearInterval(timer)
  }, [kind, told])
  return (
    <p class="hidden" role="status" aria-live="polite">
      {spoken}
    </p>
  )
}
