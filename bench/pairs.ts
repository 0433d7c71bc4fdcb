import { setTimeout as pause } from "node:timers/promises"
import { median } from "./figure.ts"

/** Threads for either side. */
export const threads = 2

// Thread pools spin for a moment after their work, which must not fall into the other side's turn.
const settleMilliseconds = 30

export interface PairOptions {
  /** Pairs that count, after one that doesn't. */
  readonly pairs: number
  /** Evaluations in each turn. */
  readonly turn: number
}

/** Does `count` evaluations and gives the seconds that each took. */
export type Timed = (count: number) => Promise<readonly number[]>

/**
 * Ratios of the time of `ours` to that of `theirs`, measured in turns A B A B …: a machine that changes its speed by a
 * factor of two within minutes is about equally fast within a pair.
 */
export async function pairRatios(
  ours: Timed,
  theirs: Timed,
  { pairs, turn }: PairOptions,
): Promise<number[]> {
  const ratios: number[] = []
  for (let i = 0; i <= pairs; i++) {
    const a = median(await ours(turn))
    await pause(settleMilliseconds)
    const b = median(await theirs(turn))
    if (i > 0) ratios.push(a / b)
  }
  return ratios
}

/** Times an asynchronous function. */
export function timed(evaluate: () => Promise<unknown>): Timed {
  return async count => {
    const seconds: number[] = []
    for (let i = 0; i < count; i++) {
      const start = performance.now()
      await evaluate()
      seconds.push((performance.now() - start) / 1000)
    }
    return seconds
  }
}
