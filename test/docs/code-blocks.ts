import { readFileSync } from "node:fs"

const library = JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)

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
  return code.replaceAll(/from "score-sde"/g, `from ${library}`)
}

/** Blocks as one program, in which those after the first see what the first declares, but not each other's names. */
export function asOneProgram([first, ...others]: readonly string[], atEnd: string): string {
  const names = new Set<string>()
  const bodyOf = (block: string): string =>
    block.replaceAll(/^import \{(.*)\} from "score-sde"$/gm, (_, list: string) => {
      for (const name of list.split(",")) names.add(name.trim())
      return ""
    })
  const bodies = [bodyOf(first!), ...others.map(block => `{${bodyOf(block)}${atEnd}\n}`)]
  return [`import { ${[...names].join(", ")} } from ${library}`, ...bodies].join("\n")
}
