import { randomUUID } from "node:crypto"
import { mkdir, open, rename, rm, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import { ImageError } from "../../image/errors.ts"
import type { ImageType } from "../../image/pixels.ts"

/** Reads a whole file. */
export async function readImageFile(path: string, maxBytes: number): Promise<Uint8Array> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    if (size > maxBytes) throw new ImageError("TOO_LARGE", `${path} has ${size} bytes.`)
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** Writes a file under a temporary name and renames it; makes the folder where it is missing. */
export async function saveImageFile(path: string, bytes: Uint8Array, _type: ImageType): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(temporary, bytes, { flag: "wx" })
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true })
    throw new ImageError("WRITE_FAILED", `The picture could not be written to ${path}.`, { cause })
  }
}
