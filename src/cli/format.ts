const byteUnits = ["B", "kB", "MB", "GB", "TB"] as const

/** Bytes with three digits in decimal units, such as `263 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  // From 999.5 on, three digits round up to the next unit.
  while (value >= 999.5 && unit < byteUnits.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? Math.round(value) : threeDigits(value)} ${byteUnits[unit]}`
}

/** A count with three digits, such as `65.6 M`; small ones exactly. */
export function formatCount(count: number): string {
  if (count < 10_000) return String(count)
  if (count < 999_500) return `${threeDigits(count / 1e3)} k`
  return count < 999_500_000 ? `${threeDigits(count / 1e6)} M` : `${threeDigits(count / 1e9)} G`
}

function threeDigits(value: number): string {
  return value >= 99.95 ? value.toFixed(0) : value.toPrecision(3)
}

/** Seconds as `4.2 s`, `41 s`, `3:05` or `2:00:00`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const twoDigits = (value: number): string => String(value).padStart(2, "0")
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  return hours === 0 ? `${minutes}:${twoDigits(rest)}` : `${hours}:${twoDigits(minutes)}:${twoDigits(rest)}`
}

/** `12.3 steps/s`, or `4.0 s/step` where it is slow. */
export function formatRate(perSecond: number, unit: string): string {
  return perSecond >= 1 ? `${threeDigits(perSecond)} ${unit}s/s` : `${threeDigits(1 / perSecond)} s/${unit}`
}

/** `1 picture`, `16 pictures`. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`
}
