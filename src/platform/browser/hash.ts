import { sha1 } from "@noble/hashes/legacy.js"
import { sha256 } from "@noble/hashes/sha2.js"
import { bytesToHex } from "@noble/hashes/utils.js"
import type { Hasher } from "../hasher.ts"

/** Starts an incremental hash. WebCrypto digests only whole buffers, hence a library. */
export function createHasher(algorithm: "sha1" | "sha256"): Hasher {
  const hash = (algorithm === "sha1" ? sha1 : sha256).create()
  return { update: bytes => void hash.update(bytes), hex: () => bytesToHex(hash.digest()) }
}
