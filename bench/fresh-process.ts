import { execFile } from "node:child_process"
import { promisify } from "node:util"

/** Runs an ES module in a process of its own and parses the JSON that it prints. */
export async function inFreshProcess<T>(code: string, env: NodeJS.ProcessEnv = {}): Promise<T> {
  const flags = ["--input-type=module", "--eval", code]
  const { stdout } = await promisify(execFile)(process.execPath, flags, {
    env: { ...process.env, NODE_OPTIONS: "", ...env },
  })
  return JSON.parse(stdout)
}
