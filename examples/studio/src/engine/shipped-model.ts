// The model that the page brings along: files of the site itself, so that the page works without a connection.
import type { ChosenFile } from "score-sde"

const folder = "ncsnpp-emoji-32"
const prefix = `../../../../models/${folder}/`

const urls: Readonly<Record<string, string>> = import.meta.glob<string>(
  [
    "../../../../models/ncsnpp-emoji-32/**/*.json",
    "../../../../models/ncsnpp-emoji-32/**/*.safetensors",
    "!**/training.json",
  ],
  { query: "?url", import: "default", eager: true },
)

/**
 * The model's folder, as if it had been chosen from disk.
 *
 * @param onProgress - Hears the bytes that have come, and how many there are: 0 where the server does not tell.
 */
export async function shippedModel(
  signal: AbortSignal,
  onProgress: (loaded: number, total: number) => void,
): Promise<ChosenFile[]> {
  const files = await Promise.all(
    Object.entries(urls).map(async ([path, url]) => {
      const name = path.slice(prefix.length)
      const { ok, status, body, headers } = await fetch(url, { signal })
      if (!ok || !body) throw new Error(`The site does not serve ${name}: ${status}.`)
      // What was compressed on the way has the length of that, if any.
      const size = headers.has("content-encoding") ? 0 : Number(headers.get("content-length") ?? 0)
      return { name, body, size }
    }),
  )
  const sizes = files.map(({ size }) => size)
  const total = sizes.includes(0) ? 0 : sizes.reduce((sum, size) => sum + size)
  let loaded = 0
  return await Promise.all(
    files.map(async ({ name, body }) => {
      const counted = body.pipeThrough(
        new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
          transform(piece, controller) {
            loaded += piece.length
            onProgress(loaded, total)
            controller.enqueue(piece)
          },
        }),
      )
      return fileAt(`${folder}/${name}`, await new Response(counted).blob())
    }),
  )
}

/** A file as `<input type="file" webkitdirectory>` gives it. */
export function fileAt(path: string, content: Blob): ChosenFile {
  const file = new File([content], path.split("/").at(-1)!, { lastModified: 0 })
  return Object.defineProperty(file, "webkitRelativePath", { value: path })
}
