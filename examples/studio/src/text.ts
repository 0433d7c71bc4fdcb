// Numbers as people read them.
import type { ResolvedDevice } from "score-sde"

/** Seconds as 0:07, 1:05 or 1:02:03. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const two = (part: number) => String(part).padStart(2, "0")
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`
}

/** A rate with two digits that count. */
export function rate(perSecond: number): string {
  return perSecond >= 10 ? perSecond.toFixed(0) : perSecond >= 1 ? perSecond.toFixed(1) : perSecond.toFixed(2)
}

/** A noise level with two or three digits that count. */
export function noiseLevel(sigma: number): string {
  if (sigma === 0) return "0"
  if (sigma >= 10) return sigma.toFixed(0)
  if (sigma >= 1) return sigma.toFixed(1)
  return sigma >= 0.1 ? sigma.toFixed(2) : sigma.toFixed(3)
}

/** Bytes in the unit that fits. */
export function bytes(count: number): string {
  if (count < 1e6) return `${Math.round(count / 1e3)} kB`
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(2)} GB`
}

/** A device as people call it. */
export function deviceName(device: ResolvedDevice): string {
  return device === "webgpu" ? "WebGPU" : "WebAssembly"
}
