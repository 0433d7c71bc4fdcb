import type { ComponentChildren } from "preact"
import type { Device } from "score-sde"
import { rollSeed } from "../commands.ts"
import type { ModelSource } from "../engine/protocol.ts"
import { type Mode, type Sampler, samplerFacts, samplersFor } from "../settings.ts"
import {
  busy,
  change,
  chooseMode,
  chooseSampler,
  chooseSource,
  device,
  model,
  settings,
  source,
} from "../state.ts"
import { deviceName } from "../text.ts"
import { say } from "./live-region.tsx"

const modes: readonly { readonly mode: Mode; readonly label: string }[] = [
  { mode: "sample", label: "Sample" },
  { mode: "inpaint", label: "Inpaint" },
  { mode: "colorize", label: "Colorize" },
  { mode: "interpolate", label: "Interpolate" },
]

/** What to make, with which model, and how. */
export function Controls() {
  const { mode } = settings.value
  return (
    <form class="controls" aria-label="Settings" onSubmit={event => event.preventDefault()}>
      <fieldset class="modes" disabled={busy.value}>
        <legend class="hidden">What to do</legend>
        {modes.map(({ mode: value, label }, i) => (
          <label key={value}>
            <input type="radio" name="mode" checked={mode === value} onChange={() => chooseMode(value)} />
            <span>
              <span class="mode">{label}</span>
              <kbd>{i + 1}</kbd>
            </span>
          </label>
        ))}
      </fieldset>
      <fieldset class="fields" disabled={busy.value}>
        <legend class="hidden">Model</legend>
        <ModelFields />
      </fieldset>
      <fieldset class="fields" disabled={busy.value}>
        <legend class="hidden">Sampling</legend>
        <SamplingFields />
      </fieldset>
    </form>
  )
}

function Field({ label, id, children }: { label: string; id: string; children: ComponentChildren }) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="field-input">{children}</div>
    </div>
  )
}

function ModelFields() {
  const chosen = source.value
  const choose = (kind: string) => {
    if (kind === "shipped") chooseSource({ kind: "shipped" })
    if (kind === "hub") chooseSource({ kind: "hub", id: "google/ddpm-cifar10-32" })
    if (kind === "folder") chooseSource({ kind: "folder", name: "", files: [] })
  }
  return (
    <>
      <Field label="Model" id="model">
        <select id="model" value={chosen.kind} onChange={event => choose(event.currentTarget.value)}>
          <option value="shipped">Emoji, 32 × 32</option>
          <option value="hub">Hugging Face Hub</option>
          <option value="folder">Folder from disk</option>
        </select>
      </Field>
      {chosen.kind === "hub" && (
        <Field label="Hub id" id="hub-id">
          <input
            id="hub-id"
            value={chosen.id}
            spellcheck={false}
            autocomplete="off"
            autocapitalize="off"
            onChange={event => {
              chooseSource({ kind: "hub", id: event.currentTarget.value.trim() })
            }}
          />
        </Field>
      )}
      {chosen.kind === "folder" && <FolderField chosen={chosen} />}
      <Field label="Device" id="device">
        <select
          id="device"
          value={device.value}
          onChange={event => {
            device.value = event.currentTarget.value as Device
          }}
        >
          <option value="auto">The best there is</option>
          <option value="webgpu">WebGPU</option>
          <option value="wasm">WebAssembly</option>
        </select>
      </Field>
      {model.value && (
        <p class="aside">
          {model.value.pipeline.replace("Pipeline", "")} on {deviceName(model.value.device)}
        </p>
      )}
    </>
  )
}

function FolderField({ chosen }: { chosen: Extract<ModelSource, { kind: "folder" }> }) {
  return (
    <Field label="Folder" id="folder">
      <label class="file">
        <input
          id="folder"
          type="file"
          // @ts-expect-error: all browsers know it, Preact's types do not
          webkitdirectory={true}
          onChange={event => {
            const files = Array.from(event.currentTarget.files ?? [], file => ({
              path: file.webkitRelativePath || file.name,
              file,
            }))
            if (files.length > 0) chooseSource({ kind: "folder", name: files[0]!.path.split("/")[0]!, files })
          }}
        />
        <span class="quiet" title={chosen.name}>
          {chosen.name || "Choose …"}
        </span>
      </label>
    </Field>
  )
}

function SamplingFields() {
  const { mode, sampler, steps, seed, seedTo, count } = settings.value
  const choices = samplersFor(mode)
  const { note, steps: usual } = samplerFacts(sampler)
  return (
    <>
      {choices.length > 1 && (
        <>
          <Field label="Sampler" id="sampler">
            <select
              id="sampler"
              value={sampler}
              aria-describedby="sampler-note"
              onChange={event => chooseSampler(event.currentTarget.value as Sampler)}
            >
              {choices.map(({ name, label }) => (
                <option key={name} value={name}>
                  {label}
                </option>
              ))}
            </select>
          </Field>
          <p class="aside" id="sampler-note">
            {note}
          </p>
        </>
      )}
      <div class="field-pair">
        {usual > 0 && (
          <NumberField
            label="Steps"
            id="steps"
            value={steps}
            min={2}
            max={2000}
            set={value => change({ steps: value })}
          />
        )}
        <NumberField
          label="Pictures"
          id="count"
          value={count}
          min={mode === "interpolate" ? 2 : 1}
          max={36}
          set={value => change({ count: value })}
        />
      </div>
      {choices.length === 1 && <p class="aside">By predictor–corrector; few steps leave noise.</p>}
      <div class="seed-row">
        <NumberField
          label={mode === "interpolate" ? "From seed" : "Seed"}
          id="seed"
          value={seed}
          min={0}
          max={2 ** 32 - 1}
          set={value => change({ seed: value })}
        />
        <button
          type="button"
          class="quiet"
          aria-label="Another seed"
          title="Another seed (R)"
          onClick={rollSeed}
        >
          <Die />
        </button>
      </div>
      {mode === "interpolate" && (
        <NumberField
          label="To seed"
          id="seed-to"
          value={seedTo}
          min={0}
          max={2 ** 32 - 1}
          set={value => change({ seedTo: value })}
        />
      )}
    </>
  )
}

interface NumberFieldProps {
  readonly label: string
  readonly id: string
  readonly value: number
  readonly min: number
  readonly max: number
  readonly set: (value: number) => void
}

function NumberField({ label, id, value, min, max, set }: NumberFieldProps) {
  return (
    <Field label={label} id={id}>
      <input
        id={id}
        type="number"
        inputMode="numeric"
        value={value}
        min={min}
        max={max}
        step={1}
        onChange={event => {
          const asked = event.currentTarget.valueAsNumber
          const kept = Number.isFinite(asked) ? Math.min(Math.max(Math.round(asked), min), max) : value
          event.currentTarget.value = String(kept)
          if (kept !== asked) say(`${label}: ${kept}. Whole numbers from ${min} to ${max}.`)
          set(kept)
        }}
      />
    </Field>
  )
}

function Die() {
  return (
    <svg viewBox="0 0 16 16" width="18" height="18" aria-hidden="true">
      <rect
        x="1.25"
        y="1.25"
        width="13.5"
        height="13.5"
        rx="2"
        fill="none"
        stroke="currentColor"
        stroke-width="1.5"
      />
      <path
        d="M5 5h.01M11 5h.01M8 8h.01M5 11h.01M11 11h.01"
        stroke="currentColor"
        stroke-width="2.2"
        stroke-linecap="round"
      />
    </svg>
  )
}
