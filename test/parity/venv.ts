/**
 * The Python that parity and bench compare against: `.venv` with the packages of requirements.txt.
 *
 *     npx tsx test/parity/venv.ts     makes or renews it and prints the interpreter's path
 *
 * `PYTHON` names the interpreter to start from (3.11 or later; default: the first of python3.13 … python3).
 * `TORCH_INDEX` names the package index of PyTorch's CPU build for Linux; empty means the default index.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { readFile, rm, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { argv, env, platform, stderr } from "node:process"
import { fileURLToPath } from "node:url"

const REQUIREMENTS = fileURLToPath(new URL("requirements.txt", import.meta.url))
const VENV = fileURLToPath(new URL("../../.venv", import.meta.url))
const PYTHON = platform === "win32" ? join(VENV, "Scripts", "python.exe") : join(VENV, "bin", "python")
const STAMP = join(VENV, "requirements.sha256")
const OLDEST = [3, 11] as const

/** Path of a Python interpreter that has the packages of requirements.txt; made on first use, then reused. */
export async function ensurePython(): Promise<string> {
  const wanted = createHash("sha256")
    .update(await readFile(REQUIREMENTS))
    .digest("hex")
  const found = await readFile(STAMP, "utf8").catch(() => "")
  if (found === wanted && existsSync(PYTHON)) return PYTHON

  if (!existsSync(PYTHON)) {
    const base = await findPython()
    stderr.write(`Making ${VENV} with ${base}\n`)
    await run(base, ["-m", "venv", VENV])
  }
  stderr.write("Installing PyTorch (CPU) and Diffusers; about 200 MB\n")
  const index = await torchIndex()
  const source = index ? ["--extra-index-url", index] : []
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
  await rm(STAMP, { force: true })
  await run(PYTHON, [...pip, ...source, "-r", REQUIREMENTS])
  await writeFile(STAMP, wanted)
  return PYTHON
}

async function findPython(): Promise<string> {
  const names = env.PYTHON ? [env.PYTHON] : ["python3.13", "python3.12", "python3.11", "python3", "python"]
  for (const name of names) {
    const version = await run(name, ["-c", "import sys; print(*sys.version_info[:2])"], true).catch(() => "")
    const [major = 0, minor = 0] = version.trim().split(" ").map(Number)
    if (major === OLDEST[0] && minor >= OLDEST[1]) return name
  }
  throw new Error(`No Python ${OLDEST.join(".")} or later among ${names.join(", ")}; set PYTHON to its path`)
}

/** On Linux the default index serves the CUDA build, of several GB; PyTorch's own index serves the CPU build. */
async function torchIndex(): Promise<string> {
  if (env.TORCH_INDEX !== undefined) return env.TORCH_INDEX
  if (platform !== "linux") return ""
  const index = "https://download.pytorch.org/whl/cpu"
  const reached = await fetch(`${index}/torch/`, { method: "HEAD", signal: AbortSignal.timeout(5_000) }).then(
    response => response.ok,
    () => false,
  )
  return reached ? index : ""
}

function run(command: string, args: readonly string[], capture = false): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { stdio: ["ignore", capture ? "pipe" : 2, capture ? "ignore" : 2] })
    let output = ""
    child.stdout?.setEncoding("utf8").on("data", text => (output += text))
    child.on("error", fail)
    child.on("close", code => {
      if (code === 0) done(output)
      else fail(new Error(`${command} ${args.join(" ")} ended with exit code ${code}`))
    })
  })
}

if (argv[1] && resolve(argv[1]) === fileURLToPath(import.meta.url)) console.log(await ensurePython())
