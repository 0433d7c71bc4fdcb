import type { Repo } from "../hub/repo.ts"
import type { ByteSource } from "../platform/byte-source.ts"
import type { ExternalData, ModelSource } from "../runtime/session.ts"

/**
 * An ONNX file of a repository as a model that a session can load: by its path where files have one, else by its
 * bytes, with the files of its weights as they are in the browser's storage.
 */
export async function repoModel(repo: Repo, path: string): Promise<ModelSource> {
  if (repo.hasPaths) return { path: await repo.localPath(path) }
  const folder = path.slice(0, path.lastIndexOf("/") + 1)
  const bytes = await wholeSource(await repo.open(path))
  const { externalDataFiles } = await import("../runtime/external-data.ts")
  // A file that isn't there is the session's to complain about.
  const names = externalDataFiles(bytes).filter(name => repo.has(folder + name))
  const externalData: ExternalData[] = []
  for (const name of names) externalData.push(await weightsFrom(name, await repo.open(folder + name)))
  return { bytes, externalData }
}

/** A graph whose weights are all in one other file, as a model that a session can load. */
export async function storedModel(
  graph: ByteSource,
  dataName: string,
  data: ByteSource,
): Promise<ModelSource> {
  return { bytes: await wholeSource(graph), externalData: [await weightsFrom(dataName, data)] }
}

/** A blob goes to the thread that needs it unread, so that large weights never are in this one's memory. */
async function weightsFrom(path: string, source: ByteSource): Promise<ExternalData> {
  return { path, data: source.blob ?? (await wholeSource(source)) }
}

async function wholeSource(source: ByteSource): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await source.read(0, source.size)
  } finally {
    await source.close()
  }
}
