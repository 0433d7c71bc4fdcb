import { createReadStream } from "node:fs"
import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { fileURLToPath } from "node:url"
import { createBrotliDecompress } from "node:zlib"
import { extract } from "tar-fs"

/** Where tests keep what takes long to make. */
export const cacheFolder: string = fileURLToPath(
  new URL("../../node_modules/.cache/score-sde", import.meta.url),
)

/** The folder `name` of the tests' cache; `fill` makes its content when it isn't there. */
export async function cachedFolder(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cacheFolder, name)
  if (await exists(folder)) return folder
  await mkdir(cacheFolder, { recursive: true })
  const unfinished = await mkdtemp(`${folder}-`)
  await fill(unfinished)
  try {
    await rename(unfinished, folder)
  } catch (error) {
    // Another run of the tests may have been faster.
    await rm(unfinished, { recursive: true })
    if (!(await exists(folder))) throw error
  }
  return folder
}

/** An archive of the package that carries a Chromium and what belongs to it. */
export function chromiumArchive(name: string): string {
  return join(createRequire(import.meta.url).resolve("@sparticuz/chromium"), "../../../bin", name)
}

/** Unpacks one of the package's `.tar.br` archives; with `wanted`, only the files of those names. */
export async function unpackArchive(name: string, folder: string, wanted?: readonly string[]): Promise<void> {
  const paths = wanted?.map(file => join(folder, file))
  await pipeline(
    createReadStream(chromiumArchive(name)),
    createBrotliDecompress(),
    extract(folder, paths ? { ignore: path => !paths.includes(path) } : {}),
  )
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
