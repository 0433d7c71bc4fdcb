import { checkCount } from "../schedulers/checks.ts"

// A bound on what a mistyped number can make us allocate.
const mostSteps = 1_000_000

/**
 * Checks a number of steps: at least 2, since with one the first and the last noise level would be the same.
 *
 * @throws InputError `INVALID_ARGUMENT`
 */
export function checkSteps(name: string, steps: number): void {
  checkCount(name, steps, 2, mostSteps)
}
