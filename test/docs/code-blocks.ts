import { readFileSync } from "node:fs"

/** The blocks of code in one language of a page of documentation, in their order. */
export function codeBlocks(page: string, language: string): string[] {
  const text = readFileSync(page, "utf8")
  return Array.from(
    text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms")),
    ([, code]) => code!,
  )
}

/** A block as a program of its own, which imports the library from its sources. */
export function asProgram(code: string): string {
  return code.replaceAll(
    /from "score-sde"/g,
    `from ${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)}`,
  )
}
