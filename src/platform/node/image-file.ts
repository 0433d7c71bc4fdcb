import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import type { ImageType } from "../../image/pixels.ts"
import { makeDirectory, writeFileAtomic } from "./files.ts"

/** The path that a `file:` URL names. */
export function pathOfFileUrl(url: URL): string {
  return fileURLToPath(url)
}

/**
 * Writes a picture whole or not at all, and makes its folder where it is missing.
 *
 * @throws FileError
 */
export async function saveImageFile(
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
  _type: ImageType,
): Promise<void> {
  await makeDirectory(dirname(path))
  await writeFileAtomic(path, bytes)
}
