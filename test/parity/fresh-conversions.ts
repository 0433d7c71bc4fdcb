import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Does something with a place for converted models that is empty at first: none of an older converter is found. */
export async function withFreshConversions<T>(body: () => Promise<T>): Promise<T> {
  const before = process.env.HF_ASSETS_CACHE
  const folder = await mkdtemp(join(tmpdir(), "score-sde-converted-"))
  process.env.HF_ASSETS_CACHE = folder
  try {
    return await body()
  } finally {
    if (before === undefined) delete process.env.HF_ASSETS_CACHE
    else process.env.HF_ASSETS_CACHE = before
    await rm(folder, { recursive: true, force: true })
  }
}
