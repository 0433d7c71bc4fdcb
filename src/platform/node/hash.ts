import { createHash } from "node:crypto"
import type { Hasher } from "../hasher.ts"

/** Starts an incremental hash. */
export function createHasher(algorithm: "sha1" | "sha256"): Hasher {
  const hash = createHash(algorithm)
  return { update: bytes => void hash.update(bytes), hex: () => hash.digest("hex") }
}
