import { InputError } from "../errors.ts"
import { SdeError } from "./errors.ts"

/** How an adaptive solver chooses its steps. */
export interface Rk45Options {
  /** The relative tolerance of a step's error. Default 1e-3; never less than 2.2e-14. */
  readonly rtol?: number | undefined
  /** The absolute tolerance of a step's error. Default 1e-6. */
  readonly atol?: number | undefined
  /** The length of the first step to try. By default chosen from two evaluations. */
  readonly firstStep?: number | undefined
  /** The greatest length of a step. Default: no limit. */
  readonly maxStep?: number | undefined
  /** The most steps to try before giving up. Default 100,000. */
  readonly maxSteps?: number | undefined
}

/** A point where the right-hand side is wanted. */
export interface Rk45Request {
  readonly t: number
  readonly y: Float64Array
  /** The time that accepted steps have reached. */
  readonly reached: number
}

/** The solution of an initial value problem. */
export interface Rk45Solution {
  /** The state at the end. */
  readonly y: Float64Array
  /** The start, and the end of each accepted step. */
  readonly t: readonly number[]
  /** Evaluations of the right-hand side. */
  readonly nfev: number
}

// Dormand & Prince 1980, "A family of embedded Runge–Kutta formulae", RK5(4)7M.
const nodes = [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1] as const
const stages = [
  [],
  [1 / 5],
  [3 / 40, 9 / 40],
  [44 / 45, -56 / 15, 32 / 9],
  [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
  [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
] as const
const solution = [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84] as const
const errorWeights = [-71 / 57600, 0, 71 / 16695, -71 / 1920, 17253 / 339200, -22 / 525, 1 / 40] as const
const exponent = -1 / 5

/**
 * Solves y' = f(t, y) from t0 to t1, in either direction, with the Runge–Kutta method of Dormand and Prince of order
 * 5(4): with the same steps as SciPy's `solve_ivp(method="RK45")`, and so with as many evaluations.
 *
 * A coroutine: it yields the points where it wants f, and is to be resumed with f there, each time in a new array. How f
 * is evaluated is left to the caller, and several problems can share the evaluations of one batch: {@link solveTogether}.
 *
 * @throws InputError `INVALID_ARGUMENT`; SdeError `STEP_TOO_SMALL`, `TOO_MANY_STEPS`
 */
export function* rk45(
  t0: number,
  t1: number,
  y0: Float64Array,
  options: Rk45Options = {},
): Generator<Rk45Request, Rk45Solution, Float64Array> {
  const { rtol, atol, firstStep, maxStep, maxSteps } = checked(options)
  const direction = t1 < t0 ? -1 : 1
  const accepted = [t0]
  let [t, nfev] = [t0, 0]
  let y: Float64Array = y0.slice()
  if (t0 === t1) return { y, t: accepted, nfev }

  let f = yield { t, y, reached: t }
  nfev++
  let h = firstStep
  if (h === undefined) {
    const guess = firstGuess(y, f, rtol, atol, Math.abs(t1 - t0))
    const probe = sum(y, direction * guess, [f], [1])
    const fProbe = yield { t: t + direction * guess, y: probe, reached: t }
    nfev++
    h = refinedGuess(guess, y, f, fProbe, rtol, atol)
  }

  let attempts = 0
  while (t !== t1) {
    const leastStep = 10 * Math.max(Math.abs(t) * Number.EPSILON, Number.MIN_VALUE)
    h = Math.min(Math.max(h, leastStep), maxStep)
    for (let rejected = false; ; rejected = true) {
      if (!(h >= leastStep)) throw stepTooSmall(t)
      if (++attempts > maxSteps) throw tooManySteps(maxSteps, t)
      const ahead = t + direction * h
      const next = direction * (ahead - t1) > 0 ? t1 : ahead
      const dt = next - t

      const k = [f]
      for (let s = 1; s < stages.length; s++) {
        const point = sum(y, dt, k, stages[s]!)
        k.push(yield { t: t + nodes[s]! * dt, y: point, reached: t })
      }
      const yNext = sum(y, dt, k, solution)
      k.push(yield { t: next, y: yNext, reached: t })
      nfev += 6

      const norm = errorNorm(y, yNext, dt, k, rtol, atol)
      const factor = 0.9 * norm ** exponent
      h = Math.abs(dt)
      if (norm < 1) {
        h *= Math.min(factor, rejected ? 1 : 10)
        ;[t, y, f] = [next, yNext, k[6]!]
        accepted.push(t)
        break
      }
      // A step into infinity has a norm that is not a number.
      h *= Number.isNaN(factor) ? 0.2 : Math.max(factor, 0.2)
    }
  }
  return { y, t: accepted, nfev }
}

/**
 * Runs solvers side by side: each evaluation is of one point for every solver. One that has arrived stays at its last
 * point, so that the places in the batch keep their meaning.
 */
export async function solveTogether(
  solvers: readonly Generator<Rk45Request, Rk45Solution, Float64Array>[],
  evaluate: (points: readonly Rk45Request[]) => Promise<readonly Float64Array[]>,
): Promise<Rk45Solution[]> {
  const solutions: Rk45Solution[] = []
  const points: Rk45Request[] = []
  const take = (i: number, turn: IteratorResult<Rk45Request, Rk45Solution>) => {
    if (turn.done) solutions[i] = turn.value
    else points[i] = turn.value
  }
  solvers.forEach((solver, i) => {
    take(i, solver.next(new Float64Array(0)))
  })
  while (solvers.some((_, i) => solutions[i] === undefined)) {
    const values = await evaluate(points)
    solvers.forEach((solver, i) => {
      if (solutions[i] === undefined) take(i, solver.next(values[i]!))
    })
  }
  return solutions
}

/** y + dt·Σ wᵢkᵢ. */
function sum(
  y: Float64Array,
  dt: number,
  k: readonly Float64Array[],
  weights: readonly number[],
): Float64Array {
  const total = new Float64Array(y.length)
  for (let s = 0; s < weights.length; s++) {
    const [weight, slope] = [weights[s]!, k[s]!]
    if (weight !== 0) for (let i = 0; i < total.length; i++) total[i]! += weight * slope[i]!
  }
  for (let i = 0; i < total.length; i++) total[i] = y[i]! + dt * total[i]!
  return total
}

/** The root mean square of v(i) / (atol + rtol·size(i)). */
function scaledNorm(
  length: number,
  value: (i: number) => number,
  size: (i: number) => number,
  rtol: number,
  atol: number,
): number {
  let squares = 0
  for (let i = 0; i < length; i++) squares += (value(i) / (atol + rtol * size(i))) ** 2
  return Math.sqrt(squares / length)
}

function errorNorm(
  y: Float64Array,
  yNext: Float64Array,
  dt: number,
  k: readonly Float64Array[],
  rtol: number,
  atol: number,
): number {
  const error = sum(new Float64Array(y.length), dt, k, errorWeights)
  const size = (i: number) => Math.max(Math.abs(y[i]!), Math.abs(yNext[i]!))
  return scaledNorm(y.length, i => error[i]!, size, rtol, atol)
}

/** Hairer, Nørsett & Wanner 1993, "Solving Ordinary Differential Equations I", section II.4. */
function firstGuess(y: Float64Array, f: Float64Array, rtol: number, atol: number, span: number): number {
  const size = (i: number) => Math.abs(y[i]!)
  const d0 = scaledNorm(y.length, i => y[i]!, size, rtol, atol)
  const d1 = scaledNorm(y.length, i => f[i]!, size, rtol, atol)
  return Math.min(d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : (0.01 * d0) / d1, span)
}

/** The length of the first step, from the slope at the end of the first guess. */
function refinedGuess(
  guess: number,
  y: Float64Array,
  f: Float64Array,
  fProbe: Float64Array,
  rtol: number,
  atol: number,
): number {
  const size = (i: number) => Math.abs(y[i]!)
  const d1 = scaledNorm(y.length, i => f[i]!, size, rtol, atol)
  const d2 = scaledNorm(y.length, i => fProbe[i]! - f[i]!, size, rtol, atol) / guess
  const refined = d1 <= 1e-15 && d2 <= 1e-15 ? Math.max(1e-6, guess * 1e-3) : (0.01 / Math.max(d1, d2)) ** 0.2
  return Math.min(100 * guess, refined)
}

function checked(options: Rk45Options) {
  const {
    rtol = 1e-3,
    atol = 1e-6,
    firstStep,
    maxStep = Number.POSITIVE_INFINITY,
    maxSteps = 100_000,
  } = options
  const bounds = { rtol, maxStep, maxSteps, ...(firstStep !== undefined && { firstStep }) }
  for (const [name, value] of Object.entries(bounds)) {
    if (!(value > 0))
      throw new InputError("INVALID_ARGUMENT", `${name} is ${value}, but must be greater than 0.`)
  }
  if (!(atol >= 0)) throw new InputError("INVALID_ARGUMENT", `atol is ${atol}, but must not be negative.`)
  return { rtol: Math.max(rtol, 100 * Number.EPSILON), atol, firstStep, maxStep, maxSteps }
}

function stepTooSmall(t: number): SdeError {
  return new SdeError("STEP_TOO_SMALL", `At t = ${t} no step is small enough for the tolerances.`, {
    hint: "The right-hand side jumps or has no bound there: stop before it, or raise rtol and atol.",
  })
}

function tooManySteps(maxSteps: number, t: number): SdeError {
  return new SdeError("TOO_MANY_STEPS", `After ${maxSteps} steps the solver has come to t = ${t} only.`, {
    hint: "Raise maxSteps, or rtol and atol.",
  })
}
