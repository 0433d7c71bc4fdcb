import { createHash } from "node:crypto"
import { readdir, rm, stat } from "node:fs/promises"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "tsdown"
import { cachedFolder, cacheFolder } from "../setup/unpacked.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const pages = join(root, "test/browser/pages")

/**
 * A folder with the library as browsers get it, bundled with its dependencies: `index.js`, `ort-worker.js`, and for
 * every program in `test/browser/pages` a `page-NAME.js` that shares its modules. Bundled anew when a source changes.
 */
export async function bundledLibrary(): Promise<string> {
  const names = (await readdir(pages)).filter(name => name.endsWith(".ts"))
  const key = await fingerprint([join(root, "src"), pages, join(root, "node_modules/onnxruntime-web")])
  return cachedFolder(`browser-${key}`, async outDir => {
    await forgetOldBundles()
    await build({
      config: false,
      cwd: root,
      entry: {
        index: "src/index.ts",
        "ort-worker": "src/platform/browser/ort-worker.ts",
        ...Object.fromEntries(names.map(name => [`page-${basename(name, ".ts")}`, join(pages, name)])),
      },
      outDir,
      platform: "browser",
      format: "esm",
      deps: { alwaysBundle: [/./] },
      outExtensions: () => ({ js: ".js" }),
      dts: false,
      logLevel: "warn",
    })
  })
}

/** Removes the bundles of earlier sources, but not one that another run may be using. */
async function forgetOldBundles(): Promise<void> {
  const oneHour = 3_600_000
  for (const name of await readdir(cacheFolder)) {
    const folder = join(cacheFolder, name)
    if (!name.startsWith("browser-") || Date.now() - (await stat(folder)).mtimeMs < oneHour) continue
    await rm(folder, { recursive: true, force: true })
  }
}

/** Changes with the name, size or time of any file. */
async function fingerprint(folders: readonly string[]): Promise<string> {
  const hash = createHash("sha256")
  for (const folder of folders) {
    for (const name of (await readdir(folder, { recursive: true })).sort()) {
      const { size, mtimeMs } = await stat(join(folder, name))
      hash.update(`${name} ${size} ${mtimeMs}\n`)
    }
  }
  return hash.digest("hex").slice(0, 16)
}
