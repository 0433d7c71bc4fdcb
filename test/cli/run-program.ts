import { type ChildProcess, spawn } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { afterAll } from "vitest"

/** The model that comes with the repository. */
export const shippedModel: string = resolve("models/ncsnpp-emoji-32")

const tsx = import.meta.resolve("tsx")
const commandLine = resolve("src/cli/main.ts")

export interface ProgramOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Called with everything on stderr so far, whenever there is more. */
  readonly onStderr?: (text: string, child: ChildProcess) => void
}

export interface ProgramResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a TypeScript program in a process of its own, away from the Hub and the caches of whoever runs the tests. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd, env, onStderr }: ProgramOptions = {},
): Promise<ProgramResult> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:HF|HUGGING|VITEST|NODE_)/.test(name))
  const child = spawn(process.execPath, ["--import", tsx, program, ...args], {
    cwd,
    env: { ...Object.fromEntries(inherited), HF_HUB_OFFLINE: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let stdout = ""
  let stderr = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
    onStderr?.(stderr, child)
  })
  return new Promise((done, fail) => {
    child.on("error", fail)
    child.on("close", (code, signal) => done({ code, signal, stdout, stderr }))
  })
}

/** Runs `score-sde`. */
export function scoreSde(args: readonly string[], options?: ProgramOptions): Promise<ProgramResult> {
  return runProgram(commandLine, args, options)
}

/** A new folder that goes when the tests of the file have ended. */
export async function sharedFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "score-sde-cli-"))
  afterAll(() => rm(folder, { recursive: true, force: true }))
  return folder
}
