import fc from "fast-check"

/** A file with one to four of its bytes changed. */
export function damaged(original: Uint8Array): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  const change = fc.tuple(fc.nat(original.length - 1), fc.nat(255))
  return fc.array(change, { minLength: 1, maxLength: 4 }).map(changes => {
    const bytes = Uint8Array.from(original)
    for (const [position, value] of changes) bytes[position] = value
    return bytes
  })
}
