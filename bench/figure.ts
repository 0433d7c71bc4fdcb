/** Something that the bench measures. */
export interface Figure {
  readonly name: string
  /** What the number counts: "×" for a ratio, "levels" for grey levels of 255. */
  readonly unit: "×" | "%" | "s" | "ms" | "kB" | "levels" | "evaluations"
  /** What the median should not exceed. */
  readonly goal?: number
}

/** A figure as `--json` writes it: the median of its samples, the least and the greatest. */
export interface Result {
  readonly value: number
  readonly min: number
  readonly max: number
  readonly unit: Figure["unit"]
  readonly goal: number | null
}

/** Figures that are measured together. */
export interface Measurement {
  readonly figures: readonly Figure[]
  /** Measures those of the figures that are wanted, and gives each with its samples as soon as it is known. */
  run(
    wanted: ReadonlySet<string>,
  ): AsyncIterable<{ readonly name: string; readonly values: readonly number[] }>
}

export function resultOf({ unit, goal }: Figure, values: readonly number[]): Result {
  return {
    value: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
    unit,
    goal: goal ?? null,
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
