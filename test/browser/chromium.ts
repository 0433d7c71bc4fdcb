import { createReadStream, createWriteStream } from "node:fs"
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { createBrotliDecompress } from "node:zlib"
import { type BrowserContext, chromium } from "playwright-core"
import { cachedFolder, chromiumArchive, unpackArchive } from "../setup/unpacked.ts"
import { megabytesOf } from "./process-memory.ts"

const flags = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
]

// WebGPU on the software driver that lies beside the executable.
const webgpuFlags = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]

/** A running Chromium with a profile of its own. */
export interface Chromium extends AsyncDisposable {
  readonly context: BrowserContext
  /** Ends the process that drives the GPU, and with it every page's device; Chromium starts a new one. */
  crashGpu(): Promise<void>
  /** The memory of all its processes in MB, see `megabytesOf`. */
  megabytes(): Promise<number>
}

export interface ChromiumOptions {
  /** Whether pages find a WebGPU adapter. Default true. */
  readonly webgpu?: boolean
  /** Further flags. */
  readonly args?: readonly string[]
}

/**
 * Starts a headless Chromium (about a second): that of the package `@sparticuz/chromium` on Linux, else an installed
 * Chrome.
 */
export async function startChromium({ webgpu = true, args = [] }: ChromiumOptions = {}): Promise<Chromium> {
  const profile = await mkdtemp(join(tmpdir(), "score-sde-chromium-"))
  const context = await chromium.launchPersistentContext(profile, {
    ...(await executable()),
    headless: true,
    args: [...flags, ...(webgpu ? webgpuFlags : []), ...args],
  })
  return {
    context,
    async crashGpu() {
      const page = await context.newPage()
      const protocol = await context.newCDPSession(page)
      await protocol.send("Browser.crashGpuProcess")
      await page.close()
    },
    megabytes: () => megabytesOf(profile),
    async [Symbol.asyncDispose]() {
      await context.close()
      await rm(profile, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}

async function executable(): Promise<Parameters<typeof chromium.launchPersistentContext>[1]> {
  if (process.platform !== "linux" || process.arch !== "x64") return { channel: "chrome" }
  const folder = await cachedFolder("chromium", unpackChromium)
  // The same letters in every screenshot, whatever fonts the machine has.
  const fonts = join(folder, "fonts.conf")
  await writeFile(
    fonts,
    `<?xml version="1.0"?><fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/fonts-cache</cachedir></fontconfig>`,
  )
  const { VK_DRIVER_FILES: _, LD_LIBRARY_PATH: __, ...env } = process.env
  return {
    executablePath: join(folder, "chromium"),
    env: { ...(env as Record<string, string>), FONTCONFIG_FILE: fonts },
  }
}

async function unpackChromium(folder: string): Promise<void> {
  const path = join(folder, "chromium")
  await Promise.all([
    pipeline(
      createReadStream(chromiumArchive("chromium.br")),
      createBrotliDecompress(),
      createWriteStream(path),
    ),
    unpackArchive("swiftshader.tar.br", folder),
    unpackArchive("fonts.tar.br", folder),
  ])
  await chmod(path, 0o755)
}
