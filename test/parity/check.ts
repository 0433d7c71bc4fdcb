/** One row of the table: something that was compared. */
export interface Finding {
  readonly what: string
  readonly error: string
  readonly limit: string
  readonly ok: boolean
}

/** A comparison with Python. */
export interface Check {
  /** The kind of comparison and its subject, which `--only` is matched against. */
  readonly name: string
  run(): AsyncIterable<Finding>
}

/** The finding that `value` is at most `limit`. */
export function atMost(
  what: string,
  value: number,
  limit: number,
  format: (value: number) => string = number => number.toExponential(1),
): Finding {
  return { what, error: format(value), limit: format(limit), ok: value <= limit }
}

/** The finding that something is as it should be, with no measure of how far off it is. */
export function same(what: string, difference: string | undefined): Finding {
  return { what, error: difference ?? "none", limit: "none", ok: difference === undefined }
}
