/** A value on one short line, for messages. */
export function describeValue(value: unknown): string {
  const text = Array.isArray(value)
    ? `[${value.slice(0, 40).map(describeValue).join(",")}]`
    : typeof value === "string"
      ? JSON.stringify(value)
      : typeof value === "object" && value !== null
        ? "an object"
        : typeof value === "function"
          ? "a function"
          : String(value)
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`
}
