import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const library = pathToFileURL(fileURLToPath(new URL("../../src/index.ts", import.meta.url))).href

/** Runs code that the page shows, with `folder` as the working directory and this repository's library. */
export async function runProgram(code: string, folder: string): Promise<void> {
  const program = join(folder, "program.mjs")
  await writeFile(program, code.replace('"score-sde"', JSON.stringify(library)))
  const before = process.cwd()
  process.chdir(folder)
  try {
    await import(program)
  } finally {
    process.chdir(before)
  }
}
