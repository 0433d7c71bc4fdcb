import { fork } from "node:child_process"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { type Check, same } from "./check.ts"

/** Runs hub-cache.ts, which prints a line "ok  …" for everything that holds and stops at what doesn't. */
export const hubCacheCheck: Check = {
  name: "hub-cache",
  async *run() {
    const child = fork(fileURLToPath(new URL("hub-cache.ts", import.meta.url)), { stdio: "pipe" })
    const ended = new Promise(resolve => child.on("close", resolve))
    const [output, errors] = await Promise.all([text(child.stdout!), text(child.stderr!)])
    for (const [, what] of output.matchAll(/^ok {2}(.+)$/gm)) yield same(what!, undefined)
    if ((await ended) !== 0) yield same("the rest", errors.slice(-2000))
  },
}
