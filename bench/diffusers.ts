import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { ensurePython } from "../test/parity/venv.ts"
import { threads } from "./pairs.ts"

/** How Diffusers holds the network: as from_pretrained gives it, or as its optimisation guides advise. */
export type DiffusersMode = "fp32" | "fp32-channels-last" | "bf16-channels-last"

/** Diffusers in a process of its own, which lives as long as the bench does. */
export class Diffusers implements AsyncDisposable {
  readonly #send: (line: string) => void
  readonly #answers: AsyncIterator<string>
  readonly #ended: Promise<void>

  private constructor(child: ReturnType<typeof startPython>) {
    this.#send = line => child.stdin.write(`${line}\n`)
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    this.#ended = new Promise(resolve => child.once("close", () => resolve()))
  }

  static async start(): Promise<Diffusers> {
    return new Diffusers(startPython(await ensurePython()))
  }

  /** @param folder of a UNet2DModel. */
  async load(folder: string, mode: DiffusersMode): Promise<void> {
    await this.#ask({ op: "load", folder, mode, threads })
  }

  /** Evaluates the network `count` times on the same input and gives the seconds of each. */
  async forward(folder: string, mode: DiffusersMode, timestep: number, count: number): Promise<number[]> {
    const request = { op: "forward", folder, mode, timestep, count }
    return (await this.#ask<{ seconds: number[] }>(request)).seconds
  }

  async unload(folder: string, mode: DiffusersMode): Promise<void> {
    await this.#ask({ op: "unload", folder, mode })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#send(JSON.stringify({ op: "quit" }))
    await this.#ended
  }

  async #ask<T extends object>(request: object): Promise<T> {
    this.#send(JSON.stringify(request))
    const { value, done } = await this.#answers.next()
    if (done) throw new Error("Diffusers' process has ended.")
    const answer: T & ({ ok: true } | { ok: false; error: string }) = JSON.parse(value)
    if (!answer.ok) throw new Error(`Diffusers: ${answer.error}`)
    return answer
  }
}

function startPython(interpreter: string) {
  const program = fileURLToPath(new URL("python/diffusers_forward.py", import.meta.url))
  return spawn(interpreter, [program], { stdio: ["pipe", "pipe", "inherit"] })
}
