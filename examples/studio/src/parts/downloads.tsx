import { useComputed } from "@preact/signals"
import { downloadPictures } from "../commands.ts"
import { shown } from "../state.ts"

/** What is on show, as files. */
export function Downloads() {
  const nothing = useComputed(() => shown.value === undefined).value
  return (
    <div class="downloads">
      <button
        type="button"
        class="quiet"
        disabled={nothing}
        onClick={() => void downloadPictures("selected")}
      >
        Download PNG
      </button>
      <button type="button" class="quiet" disabled={nothing} onClick={() => void downloadPictures("all")}>
        Download all
      </button>
    </div>
  )
}
