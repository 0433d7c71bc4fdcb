import { afterEach, expect, test, vi } from "vitest"
import { warnOnce } from "../../src/config/warnings.ts"

afterEach(() => vi.restoreAllMocks())

test("each distinct message reaches the console once", () => {
  const console_ = vi.spyOn(console, "warn").mockImplementation(() => {})
  warnOnce("a")
  warnOnce("b")
  warnOnce("a")
  expect(console_.mock.calls).toEqual([["score-sde: a"], ["score-sde: b"]])
})
