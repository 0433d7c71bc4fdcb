import { readdir, readFile } from "node:fs/promises"

/**
 * The memory, in MB, that the processes hold which were started with `argument` and those that they started in turn.
 * Linux tells in `/proc`; elsewhere it is 0.
 */
export async function megabytesOf(argument: string): Promise<number> {
  if (process.platform !== "linux") return 0
  const processes = await Promise.all(
    (await readdir("/proc")).filter(name => /^\d+$/.test(name)).map(describeProcess),
  )
  const family = new Set(processes.filter(one => one?.command.includes(argument)).map(one => one?.id))
  let bytes = 0
  // A child's number is mostly, but not always, above its parent's.
  for (let size = -1; size < family.size; ) {
    size = family.size
    for (const one of processes) if (one && family.has(one.parent)) family.add(one.id)
  }
  for (const one of processes) if (one && family.has(one.id)) bytes += one.bytes
  return bytes / 2 ** 20
}

interface ProcessInfo {
  readonly id: number
  readonly parent: number
  readonly command: string
  readonly bytes: number
}

/** What `/proc` says of a process; undefined when it has just ended. */
async function describeProcess(id: string): Promise<ProcessInfo | undefined> {
  try {
    const status = await readFile(`/proc/${id}/status`, "utf8")
    const number = (key: string): number =>
      Number(new RegExp(`^${key}:\\s*(\\d+)`, "m").exec(status)?.[1] ?? 0)
    const command = await readFile(`/proc/${id}/cmdline`, "utf8")
    // Pages that several processes share, such as the program's own, don't count.
    return { id: Number(id), parent: number("PPid"), command, bytes: number("RssAnon") * 1024 }
  } catch {
    return undefined
  }
}
