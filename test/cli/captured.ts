import { vi } from "vitest"
import { runCommandLine } from "../../src/cli/program.ts"

export interface Captured {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs `score-sde` in this process, and gives what it writes. */
export async function captured(...words: readonly string[]): Promise<Captured> {
  const written = { stdout: "", stderr: "" }
  const keep = (name: "stdout" | "stderr") => (text: unknown) => {
    written[name] += String(text)
    return true
  }
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(keep("stdout")),
    vi.spyOn(process.stderr, "write").mockImplementation(keep("stderr")),
    vi.spyOn(console, "log").mockImplementation(line => void keep("stdout")(`${line}\n`)),
    vi.spyOn(console, "error").mockImplementation(line => void keep("stderr")(`${line}\n`)),
  ]
  try {
    const code = await runCommandLine(["node", "score-sde", ...words])
    return { code, ...written }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}
