// Light table or darkroom: as the system has it until one is chosen, which the browser remembers.
import { computed, effect, signal } from "@preact/signals"

type Look = "light" | "dark"

const key = "score-sde-studio-look"
const systemDark = matchMedia("(prefers-color-scheme: dark)")
const system = signal(lookOf(systemDark))
systemDark.addEventListener("change", () => {
  system.value = lookOf(systemDark)
})
const chosen = signal(remembered())

export const look = computed<Look>(() => chosen.value ?? system.value)

export function changeLook(): void {
  chosen.value = look.value === "dark" ? "light" : "dark"
  try {
    localStorage.setItem(key, chosen.value)
  } catch {
    // A browser that stores nothing for this site forgets it with the page.
  }
}

effect(() => {
  const { style } = document.documentElement
  style.colorScheme = chosen.value ?? ""
  // What browsers colour around the page goes along.
  const colour = { light: "#e7eaea", dark: "#15110f" }[look.value]
  for (const meta of document.querySelectorAll<HTMLMetaElement>("meta[name=theme-color]"))
    meta.content = colour
})

function lookOf({ matches }: { readonly matches: boolean }): Look {
  return matches ? "dark" : "light"
}

function remembered(): Look | undefined {
  try {
    const value = localStorage.getItem(key)
    return value === "light" || value === "dark" ? value : undefined
  } catch {
    return undefined
  }
}
