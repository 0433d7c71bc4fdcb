/**
 * The text that Python's `repr` and `json.dumps` give a float: the shortest digits that read back as the same
 * number, always with a fraction or an exponent (`1348.0`, `1e-05`, `1e+16`).
 */
export function formatPythonFloat(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  if (Object.is(value, -0)) return "-0.0"
  const [digits = "", exponent = "0"] = value.toExponential().split("e")
  const power = Number(exponent)
  if (power < -4 || power >= 16) {
    return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`
  }
  return Number.isInteger(value) ? `${value}.0` : String(value)
}
