import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { beforeEach, onTestFinished, vi } from "vitest"
import { openRepo } from "../../src/hub/open-repo.ts"
import type { HubOptions } from "../../src/hub/options.ts"
import type { Repo } from "../../src/hub/repo.ts"
import { type HubServer, type HubServerOptions, startHubServer } from "../hub-server/hub-server.ts"

/** A new folder that goes when the test ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "score-sde-hub-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A Hub that stops when the test ends. */
export async function temporaryHub(options: HubServerOptions): Promise<HubServer> {
  const server = await startHubServer(options)
  onTestFinished(() => server.close())
  return server
}

/** A Hub with an empty cache of its own, and `open` to open repositories there. */
export async function hubWithCache(options: HubServerOptions): Promise<{
  server: HubServer
  cacheDir: string
  open: (id: string, options?: HubOptions) => Promise<Repo>
}> {
  const server = await temporaryHub(options)
  const cacheDir = await temporaryFolder()
  return { server, cacheDir, open: (id, more) => openRepo(id, { endpoint: server.url, cacheDir, ...more }) }
}

/** Hides the settings of whoever runs the tests, before each of a file's tests. */
export function hideHubEnvironment(): void {
  beforeEach(async () => {
    for (const name of Object.keys(process.env)) if (/^(?:HF|HUGGING)/.test(name)) vi.stubEnv(name, "")
    vi.stubEnv("HF_HOME", await temporaryFolder())
  })
}

/** Bytes without a pattern that a fault could leave alike. */
export function someBytes(length: number): Uint8Array {
  let state = 1
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 24
  })
}

/** All files and links below a folder, sorted. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => !entry.isDirectory())
    .map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
}
