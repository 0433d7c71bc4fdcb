/** A hash that takes its input piece by piece. */
export interface Hasher {
  update(bytes: Uint8Array): void
  /** The digest in lower-case hex digits; ends the hash. */
  hex(): string
}
