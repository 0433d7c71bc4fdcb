/** A value on one short line, for messages. */
export function describeValue(value: unknown): string {
  const text = textOf(value)
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.slice(0, 40).map(describeValue).join(",")}]`
  if (typeof value === "string") return JSON.stringify(value)
  if (typeof value === "object" && value !== null) return "an object"
  return typeof value === "function" ? "a function" : String(value)
}
