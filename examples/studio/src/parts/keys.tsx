import { signal } from "@preact/signals"
import { useEffect, useRef } from "preact/hooks"
import { downloadPictures, rollSeed } from "../commands.ts"
import { busy, chooseMode, halt, predicted, start } from "../state.ts"

const singleKeys = signal(true)

const keys: readonly { readonly key: string; readonly does: string; readonly run: () => void }[] = [
  { key: "s", does: "Start", run: () => void start() },
  { key: "r", does: "Another seed", run: () => !busy.value && rollSeed() },
  { key: "p", does: "Sample or prediction", run: () => void (predicted.value = !predicted.value) },
  { key: "d", does: "Download the selected picture", run: () => void downloadPictures("selected") },
  { key: "c", does: "Copy the code", run: () => document.getElementById("copy-code")?.click() },
  { key: "1", does: "Sample", run: () => !busy.value && chooseMode("sample") },
  { key: "2", does: "Inpaint", run: () => !busy.value && chooseMode("inpaint") },
  { key: "3", does: "Colorize", run: () => !busy.value && chooseMode("colorize") },
  { key: "4", does: "Interpolate", run: () => !busy.value && chooseMode("interpolate") },
]

/** The keys of the page, and the dialog that tells them. */
export function Keys() {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const hear = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.altKey) return
      if (event.key === "Escape" && !dialog.current?.open) return halt()
      if ((event.ctrlKey || event.metaKey) && event.key === "Enter") return void start()
      if (event.ctrlKey || event.metaKey || !singleKeys.value || isTyping(event.target)) return
      if (event.key === "?") dialog.current?.showModal()
      else keys.find(({ key }) => key === event.key.toLowerCase())?.run()
    }
    document.addEventListener("keydown", hear)
    return () => document.removeEventListener("keydown", hear)
  }, [])
  return (
    <>
      <button type="button" class="quiet" aria-haspopup="dialog" onClick={() => dialog.current?.showModal()}>
        Keys
      </button>
      <dialog ref={dialog} aria-labelledby="keys-title">
        <h2 id="keys-title">Keys</h2>
        <dl>
          <div>
            <dt>
              <kbd>Ctrl</kbd> <kbd>Enter</kbd>
            </dt>
            <dd>Start</dd>
          </div>
          <div>
            <dt>
              <kbd>Esc</kbd>
            </dt>
            <dd>Stop</dd>
          </div>
          {keys.map(({ key, does }) => (
            <div key={key}>
              <dt>
                <kbd>{key.toUpperCase()}</kbd>
              </dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
        <label>
          <input
            type="checkbox"
            checked={singleKeys.value}
            onChange={event => {
              singleKeys.value = event.currentTarget.checked
            }}
          />{" "}
          Keys without Ctrl
        </label>
        <form method="dialog">
          <button type="submit" class="quiet">
            Close
          </button>
        </form>
      </dialog>
    </>
  )
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.matches("input:not([type=radio]):not([type=range]), select, textarea")
  )
}
