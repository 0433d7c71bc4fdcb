// What keys and buttons do, besides running.
import { findAbilities } from "./abilities.ts"
import { downloadPng } from "./download.ts"
import { clearModels } from "./engine/engine.ts"
import { change, pictureAt, record, selected, settings, shown, tend } from "./state.ts"

export function rollSeed(): void {
  change({ seed: Math.floor(Math.random() * 1_000_000) })
}

/** Downloads one picture of the sheet, or all. */
export async function downloadPictures(which: "selected" | "all"): Promise<void> {
  const sheet = shown.value
  if (!sheet) return
  const { mode, seed } = record.value?.settings ?? settings.value
  const indices = which === "all" ? Array.from({ length: sheet.count }, (_, i) => i) : [selected.value]
  for (const index of indices) await downloadPng(pictureAt(sheet, index), `${mode}-${seed}-${index + 1}.png`)
}

/** Gives back the room that models of the Hub take. */
export async function forgetModels(): Promise<void> {
  await tend(clearModels)
  await findAbilities()
}
