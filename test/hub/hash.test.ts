import { expect, test } from "vitest"
import { createHasher as createBrowserHasher } from "../../src/platform/browser/hash.ts"
import { createHasher as createNodeHasher } from "../../src/platform/node/hash.ts"

// Test vectors of FIPS 180-4: "abc", and the 448-bit message.
const vectors = [
  ["sha1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"],
  ["sha256", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "sha1",
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
  ],
  [
    "sha256",
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  ],
] as const

test.each(vectors)("%s of %s, in Node and in the browser", (algorithm, text, digest) => {
  for (const createHasher of [createNodeHasher, createBrowserHasher]) {
    const hasher = createHasher(algorithm)
    for (const letter of text) hasher.update(new TextEncoder().encode(letter))
    expect(hasher.hex()).toBe(digest)
  }
})
