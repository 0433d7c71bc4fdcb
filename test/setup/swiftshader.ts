import { delimiter, join } from "node:path"
import { cachedFolder, unpackArchive } from "./unpacked.ts"

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
  const folder = await cachedFolder("swiftshader", unfinished =>
    unpackArchive("swiftshader.tar.br", unfinished, [loader, driver, manifest]),
  )
  process.env.VK_DRIVER_FILES = join(folder, manifest)
  process.env.LD_LIBRARY_PATH = [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter)
}
