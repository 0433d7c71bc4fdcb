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

/** The model's folder, as if it had been chosen from disk. */
export async function shippedModel(): Promise<ChosenFile[]> {
  return await Promise.all(
    Object.entries(urls).map(async ([path, url]) => {
      const response = await fetch(url)
      if (!response.ok)
        throw new Error(`The site does not serve ${path.slice(prefix.length)}: ${response.status}.`)
      return fileAt(`${folder}/${path.slice(prefix.length)}`, await response.blob())
    }),
  )
}

/** A file as `<input type="file" webkitdirectory>` gives it. */
export function fileAt(path: string, content: Blob): ChosenFile {
  const file = new File([content], path.split("/").at(-1)!, { lastModified: 0 })
  return Object.defineProperty(file, "webkitRelativePath", { value: path })
}
