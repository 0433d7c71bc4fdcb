import { abilities } from "../abilities.ts"
import { changeLook, look } from "../look.ts"
import { edits } from "../settings.ts"
import { settings } from "../state.ts"
import { CodePanel } from "./code-panel.tsx"
import { Controls } from "./controls.tsx"
import { DevicePanel } from "./device-panel.tsx"
import { Keys } from "./keys.tsx"
import { LiveRegion } from "./live-region.tsx"
import { MaskEditor } from "./mask-editor.tsx"
import { Sheet } from "./sheet.tsx"
import { TestStrip } from "./test-strip.tsx"
import { Transport } from "./transport.tsx"

export function App() {
  const { mode } = settings.value
  return (
    <>
      <header class="bar">
        <h1>
          score-sde <span>studio</span>
        </h1>
        <p>{summary()}</p>
        <nav aria-label="Page">
          <button type="button" class="quiet" onClick={changeLook}>
            {look.value === "dark" ? "Light table" : "Darkroom"}
          </button>
          <Keys />
        </nav>
      </header>
      <main class="studio">
        {/* First, since it is used first; the style sheet has it at the side. */}
        <aside class="rail" aria-label="What to make">
          <Controls />
          <Transport />
        </aside>
        <div class="table" data-edits={edits(mode)}>
          {edits(mode) && <MaskEditor />}
          <Sheet />
        </div>
        <TestStrip />
      </main>
      <div class="below">
        <CodePanel />
        <DevicePanel />
      </div>
      <LiveRegion />
    </>
  )
}

/** The device in a few words; the section below says it all. */
function summary(): string {
  const found = abilities.value
  if (!found) return ""
  const threads = found.threads === 1 ? "1 thread" : `${found.threads} threads`
  return [
    found.webgpu ? "WebGPU" : "no WebGPU",
    threads,
    ...(found.memory ? [`${found.memory} GB`] : []),
  ].join(" · ")
}
