import { createReadStream } from "node:fs"
import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { delimiter, join } from "node:path"
import { pipeline } from "node:stream/promises"
import { fileURLToPath } from "node:url"
import { createBrotliDecompress } from "node:zlib"
import { extract } from "tar-fs"

// SwiftShader, the software Vulkan driver, and the Vulkan loader that finds it: what Dawn, the WebGPU inside of
// onnxruntime-node, needs on a machine without a GPU. The package carries them beside its Chromium.
const loader = "libvulkan.so.1"
const driver = "libvk_swiftshader.so"
const manifest = "vk_swiftshader_icd.json"

/**
 * Vitest's global set-up: gives the processes that run tests the same WebGPU adapter on every Linux machine.
 * Elsewhere WebGPU comes with the system, and the tests run on the adapter that is there.
 * The variables must be in a process's environment when it starts, so it has to be one of `pool: "forks"`.
 */
export default async function setup(): Promise<void> {
  if (process.platform !== "linux" || process.arch !== "x64") return
  const folder = await unpackedDriver()
  process.env.VK_DRIVER_FILES = join(folder, manifest)
  process.env.LD_LIBRARY_PATH = [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter)
}

async function unpackedDriver(): Promise<string> {
  const entry = createRequire(import.meta.url).resolve("@sparticuz/chromium")
  const archive = join(entry, "../../../bin/swiftshader.tar.br")
  const cache = fileURLToPath(new URL("../../node_modules/.cache/score-sde", import.meta.url))
  const folder = join(cache, "swiftshader")
  if (await exists(folder)) return folder
  await mkdir(cache, { recursive: true })
  const unfinished = await mkdtemp(`${folder}-`)
  const wanted = [loader, driver, manifest].map(name => join(unfinished, name))
  await pipeline(
    createReadStream(archive),
    createBrotliDecompress(),
    extract(unfinished, { ignore: name => !wanted.includes(name) }),
  )
  try {
    await rename(unfinished, folder)
  } catch (error) {
    // Another run of the tests may have been faster.
    await rm(unfinished, { recursive: true })
    if (!(await exists(folder))) throw error
  }
  return folder
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
