import * as v from "valibot"
import type { HubFile } from "../platform/repo-store.ts"
import { isSafePath } from "./names.ts"

/** A file of a commit, as far as the server has described it. */
export type ListedFile = Pick<HubFile, "path"> & Partial<HubFile>

const sizeSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const treeSchema = v.object({
  format_version: v.literal(1),
  files: v.record(
    v.string(),
    v.union([
      v.object({ lfs_sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)), lfs_size: sizeSchema }),
      v.object({ blob_id: v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/)), size: sizeSchema }),
    ]),
  ),
})

/**
 * Reads a commit's listing as Python's `huggingface_hub` stores it in `trees/<commit>.json`.
 *
 * Returns `undefined` for text that is broken or of another version: the listing can be asked for again.
 */
export function parseTree(text: string): HubFile[] | undefined {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined
  }
  const tree = v.safeParse(treeSchema, json)
  if (!tree.success) return undefined
  return Object.entries(tree.output.files)
    .filter(([path]) => isSafePath(path))
    .map(([path, file]) =>
      "lfs_sha256" in file
        ? { path, size: file.lfs_size, digest: file.lfs_sha256 }
        : { path, size: file.size, digest: file.blob_id },
    )
}

/** The text of a listing that {@link parseTree} reads. */
export function formatTree(files: readonly HubFile[]): string {
  const entries = files.map(({ path, size, digest }) => [
    path,
    digest.length === 64 ? { lfs_sha256: digest, lfs_size: size } : { blob_id: digest, size },
  ])
  return JSON.stringify({ format_version: 1, files: Object.fromEntries(entries) })
}
