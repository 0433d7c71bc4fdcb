import { expect, test } from "vitest"
import { resizeMask } from "../../examples/studio/src/mask.ts"

const size = (width: number, height: number) => ({ width, height })

test("a mask in another size covers what it covered", () => {
  const mask = Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0)
  expect([...resizeMask(mask, size(4, 2), size(2, 1))]).toEqual([1, 0])
  expect([...resizeMask(mask, size(4, 2), size(4, 2))]).toEqual([...mask])
  expect([...resizeMask(Uint8Array.of(1, 0), size(2, 1), size(4, 2))]).toEqual([1, 1, 0, 0, 1, 1, 0, 0])
  // The middle one of three lies under both.
  expect([...resizeMask(Uint8Array.of(0, 1, 0), size(3, 1), size(2, 1))]).toEqual([1, 1])
})
