import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const run = promisify(execFile)
const program = fileURLToPath(new URL("../../test/parity/check_saved.py", import.meta.url))

/** Why a Python can't check exports; undefined when it can. */
export async function pythonTrouble(python: string): Promise<string | undefined> {
  try {
    await run(python, ["-c", "import diffusers, torch"])
    return undefined
  } catch (error) {
    const { code, stderr = "" } = error as { code?: unknown; stderr?: string }
    return code === "ENOENT" ? "there is no such program" : (stderr.trim().split("\n").at(-1) ?? "it fails")
  }
}

/** Compares an export with what Diffusers makes of the same source; returns what differs, undefined when nothing does. */
export async function checkWithPython(
  python: string,
  source: string,
  saved: string,
): Promise<string | undefined> {
  const child = run(python, [program])
  child.child.stdin?.end(`${JSON.stringify({ source, saved })}\n`)
  // Exit code 1 is that of an answer which isn't ok.
  const { stdout, stderr } = await child.catch((error: { stdout: string; stderr: string }) => error)
  const line = stdout.trim()
  if (line === "") return stderr.trim().split("\n").at(-1) ?? "Python gave no answer"
  const answer = JSON.parse(line) as { ok: boolean; load: string; files: Record<string, unknown> }
  if (answer.ok) return undefined
  const differing = Object.keys(answer.files).filter(name => answer.files[name] !== "equal")
  return [
    ...differing.map(name => `${name} differs`),
    ...(answer.load === "equal" ? [] : [answer.load]),
  ].join(", ")
}
