import { expect, test } from "vitest"
import { History } from "../../examples/studio/src/history.ts"

test("a run of any length takes no more than 96 MiB, and its first and last steps stay", () => {
  const history = new History()
  // The same megabyte for all: what counts is how many are held.
  const frame = { count: 1, width: 512, height: 512, rgba: new Uint8ClampedArray(2 ** 20) }
  let thinned = 0
  for (let step = 1; step <= 2000; step++) {
    const before = history.moments.length
    const full = history.add({ step, sigma: undefined, sample: frame, predicted: undefined })
    expect(history.moments.length).toBeLessThanOrEqual(96)
    if (full) expect(history.moments.length).toBe(Math.ceil(before / 2) + 1)
    thinned += Number(full)
  }
  expect(thinned).toBeGreaterThan(3)
  expect([history.moments[0]?.step, history.moments.at(-1)?.step]).toEqual([1, 2000])
})
