import { useSignal } from "@preact/signals"
import { codeFor } from "../code.ts"
import { record, settings, source } from "../state.ts"
import { say } from "./live-region.tsx"

/** The code that makes what is on show, or would make what is set. */
export function CodePanel() {
  const copied = useSignal(false)
  const code = codeFor(record.value ?? { settings: settings.value, source: source.value })
  return (
    <section class="code" aria-labelledby="code-title">
      <div class="section-head">
        <h2 id="code-title">The code for this</h2>
        <button
          type="button"
          class="quiet"
          id="copy-code"
          onClick={async () => {
            if (!(await copy(code))) return
            copied.value = true
            say("Copied.")
            setTimeout(() => {
              copied.value = false
            }, 2000)
          }}
        >
          {copied.value ? "Copied" : "Copy"}
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached with the keyboard */}
      <pre id="code" tabIndex={0}>
        <code>{highlight(code)}</code>
      </pre>
    </section>
  )
}

/** Puts the code in the clipboard; where the browser forbids that, selects it, to be copied by hand. */
async function copy(code: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(code)
    return true
  } catch {
    getSelection()?.selectAllChildren(document.getElementById("code")!)
    say("The browser does not let this page copy. The code is selected.")
    return false
  }
}

const token =
  /(?<string>"[^"]*"|`[^`]*`)|(?<number>\b\d[\d.e-]*\b)|(?<keyword>\b(?:import|from|const|await|for|of|new|true|false)\b)|(?<comment>\/\/.*)/g

/** Parts of the code in the colours of what they are. */
function highlight(code: string) {
  const parts = []
  let from = 0
  for (const match of code.matchAll(token)) {
    const kind = Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined)?.[0]
    parts.push(code.slice(from, match.index), <span class={kind}>{match[0]}</span>)
    from = match.index + match[0].length
  }
  return [...parts, code.slice(from)]
}
