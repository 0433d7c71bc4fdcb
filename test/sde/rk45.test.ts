import { describe, expect, test } from "vitest"
import { type Rk45Options, type Rk45Solution, rk45, solveTogether } from "../../src/sde/rk45.ts"
import fixtures from "../fixtures/sde/solve-ivp.json" with { type: "json" }

type RightHandSide = (t: number, y: Float64Array) => readonly number[]

/** The problems of make.py. */
const problems: Readonly<Record<string, RightHandSide>> = {
  coupled: (t, [a = 0, b = 0]) => [-a + b ** 2, Math.sin(t) - b],
  decay: (_, [a = 0]) => [-0.5 * a],
  "lotka-volterra": (_, [a = 0, b = 0]) => [1.5 * a - a * b, -3 * b + a * b],
  "van-der-pol": (_, [a = 0, b = 0]) => [b, 5 * (1 - a ** 2) * b - a],
  still: () => [0, 0],
  explosion: (_, [a = 0]) => [a ** 2],
}

function solve(
  f: RightHandSide,
  span: readonly number[],
  y0: readonly number[],
  options?: Rk45Options,
): Rk45Solution {
  const solver = rk45(span[0]!, span[1]!, Float64Array.from(y0), options)
  let turn = solver.next()
  while (!turn.done) turn = solver.next(Float64Array.from(f(turn.value.t, turn.value.y)))
  return turn.value
}

const runs = fixtures.runs as readonly {
  problem: string
  span: number[]
  y0: number[]
  options: Rk45Options
  success: boolean
  nfev: number
  t: number[]
  y: number[]
}[]

test.each(runs.filter(run => run.success))("equals SciPy: $problem, $span, $options", run => {
  const { t, y, nfev } = solve(problems[run.problem]!, run.span, run.y0, run.options)
  expect(nfev).toBe(run.nfev)
  expect(t).toHaveLength(run.t.length)
  t.forEach((time, i) => {
    expect(Math.abs(time - run.t[i]!)).toBeLessThanOrEqual(1e-8 * Math.abs(run.t[i]!))
  })
  const largest = Math.max(...run.y.map(Math.abs))
  y.forEach((value, i) => {
    expect(Math.abs(value - run.y[i]!)).toBeLessThanOrEqual(1e-8 * largest)
  })
})

test("a solution that runs away ends with an error, where SciPy fails", () => {
  const run = runs.find(({ success }) => !success)!
  expect(() => solve(problems[run.problem]!, run.span, run.y0, run.options)).toThrow(
    expect.objectContaining({
      code: "STEP_TOO_SMALL",
      message: expect.stringMatching(/^At t = (1\.|0\.9999)\S* no step is small enough for the tolerances\./),
    }),
  )
})

test("more steps than allowed", () => {
  expect(() => solve(problems["van-der-pol"]!, [0, 30], [2, 0], { maxSteps: 20 })).toThrow(
    expect.objectContaining({
      code: "TOO_MANY_STEPS",
      message: expect.stringMatching(/^After 20 steps the solver has come to t = \d\.\d+ only\./),
    }),
  )
})

test("an empty span asks for nothing", () => {
  expect(solve(() => [Number.NaN], [2, 2], [1])).toEqual({ y: Float64Array.of(1), t: [2], nfev: 0 })
})

test("the start is left as it was", () => {
  const y0 = Float64Array.of(1)
  const solver = rk45(0, 1, y0)
  let turn = solver.next()
  while (!turn.done) turn = solver.next(turn.value.y.map(y => -y))
  expect(y0[0]).toBe(1)
  expect(turn.value.y[0]).toBeCloseTo(Math.exp(-1), 3)
})

test("a step into infinity is taken back", () => {
  const { y } = solve((_, [a = 0]) => [a > 0.9 ? Math.sqrt(1 - a) * -1 : -a], [0, 1], [0.9], {
    firstStep: 0.9,
  })
  expect(y[0]).toBeGreaterThan(0.3)
  const overflow = solve((_, [a = 0]) => [a > 1e3 ? Number.NaN : -1e4 * (a - 1)], [0, 0.01], [2], {
    firstStep: 0.01,
  })
  expect(overflow.y[0]).toBeCloseTo(1, 3)
})

describe("side by side", () => {
  test("solvers take their own steps, as if alone", async () => {
    const starts = [
      [10, 5],
      [1, 1],
      [3, 1],
    ]
    const f = problems["lotka-volterra"]!
    let calls = 0
    const together = await solveTogether(
      starts.map(start => rk45(0, 5, Float64Array.from(start))),
      async points => {
        calls++
        expect(points).toHaveLength(3)
        return points.map(({ t, y }) => Float64Array.from(f(t, y)))
      },
    )
    const alone = starts.map(start => solve(f, [0, 5], start))
    expect(together).toEqual(alone)
    expect(new Set(alone.map(({ nfev }) => nfev)).size).toBe(3)
    expect(calls).toBe(Math.max(...alone.map(({ nfev }) => nfev)))
  })
})

describe("bad options", () => {
  test.each<[string, Rk45Options]>([
    ["rtol is 0, but must be greater than 0.", { rtol: 0 }],
    ["rtol is NaN, but must be greater than 0.", { rtol: Number.NaN }],
    ["atol is -1, but must not be negative.", { atol: -1 }],
    ["firstStep is 0, but must be greater than 0.", { firstStep: 0 }],
    ["maxStep is -2, but must be greater than 0.", { maxStep: -2 }],
    ["maxSteps is 0, but must be greater than 0.", { maxSteps: 0 }],
  ])("%s", (message, options) => {
    expect(() => solve(() => [0], [0, 1], [1], options)).toThrow(message)
  })
})
