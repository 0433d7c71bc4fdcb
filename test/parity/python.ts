import { spawn } from "node:child_process"
import { ensurePython } from "./venv.ts"

export interface PythonOptions {
  /** Default: the current directory. */
  readonly cwd?: string
  /** What the program reads from standard input. */
  readonly input?: string
  /** Exit codes that are no failure, beside 0. */
  readonly allowed?: readonly number[]
  /** Whether what the program prints goes to the terminal, too. */
  readonly echo?: boolean
}

/** Runs a Python program with the packages of requirements.txt and returns what it printed. */
export async function runPython(args: readonly string[], options: PythonOptions = {}): Promise<string> {
  const { cwd, input = "", allowed = [], echo = false } = options
  const child = spawn(await ensurePython(), args, { cwd, stdio: ["pipe", "pipe", "pipe"] })
  let output = ""
  let errors = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text
    if (echo) process.stderr.write(text)
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text
    if (echo) process.stderr.write(text)
  })
  // A program that ends early closes its input; its exit code says why.
  child.stdin.on("error", () => {})
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", resolve)
  })
  if (code !== 0 && !allowed.includes(code ?? -1)) {
    throw new Error(`python ${args.join(" ")} ended with exit code ${code}\n${errors.slice(-2000)}`)
  }
  return output
}
