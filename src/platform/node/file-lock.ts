import { randomUUID } from "node:crypto"
import { open, readFile, rename, rm, stat, utimes } from "node:fs/promises"
import { hostname } from "node:os"
import { setTimeout as sleep } from "node:timers/promises"
import { failAsFileError } from "./file-failure.ts"

/** A lock whose holder has shown no sign of life for this long is taken over. */
const staleAfterMs = 30_000
const pollMs = 100

/**
 * Runs `work` while holding the lock file `path` (its folder must exist), so that processes don't do the same work
 * twice. It is a courtesy, not a safeguard: on a disk that is shared by machines whose clocks differ, or after a
 * long pause of the holder, two may run at once, and the work has to bear that.
 *
 * Own code, since Node has no `flock` and Python's lock files stay behind after use, so they can't be shared.
 */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const owner = JSON.stringify({ pid: process.pid, host: hostname(), key: randomUUID() })
  while (!(await failAsFileError(path, () => tryCreate(path, owner)))) {
    if (await isStale(path)) await discard(path)
    else await sleep(pollMs * (0.5 + Math.random()), undefined, signal ? { signal } : {})
  }
  const heartbeat = setInterval(() => {
    const now = new Date()
    // A lock that was taken over is noticed at release.
    utimes(path, now, now).catch(() => {})
  }, staleAfterMs / 4).unref()
  try {
    return await work()
  } finally {
    clearInterval(heartbeat)
    if ((await readFile(path, "utf8").catch(() => "")) === owner) await rm(path, { force: true })
  }
}

async function tryCreate(path: string, owner: string): Promise<boolean> {
  try {
    const file = await open(path, "wx")
    try {
      await file.writeFile(owner)
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false
    throw error
  }
}

async function isStale(path: string): Promise<boolean> {
  try {
    const age = Date.now() - (await stat(path)).mtimeMs
    return age > staleAfterMs || !ownerMayLive(await readFile(path, "utf8"))
  } catch {
    // Released meanwhile: not stale, and the next attempt to create it will tell.
    return false
  }
}

function ownerMayLive(text: string): boolean {
  try {
    const owner = JSON.parse(text) as { pid: number; host: string }
    if (owner.host !== hostname()) return true
    process.kill(owner.pid, 0)
    return true
  } catch (error) {
    // An unreadable lock may be one that is being written.
    return (error as NodeJS.ErrnoException).code !== "ESRCH"
  }
}

/** Moves the lock away first, so that of two that find it stale only one removes it. */
async function discard(path: string): Promise<void> {
  const aside = `${path}.${randomUUID()}.stale`
  try {
    await rename(path, aside)
  } catch {
    return
  }
  await rm(aside, { force: true })
}
