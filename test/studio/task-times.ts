import type { Page } from "playwright-core"

interface TraceEvent {
  readonly name: string
  readonly pid: number
  readonly tid: number
  /** Processor time in µs. */
  readonly tdur?: number
  readonly args: { readonly name?: string }
}

/**
 * How long each task of the page's main thread kept the processor while `work` was done, in ms: what else the machine
 * is busy with doesn't count.
 */
export async function taskTimes(page: Page, work: () => Promise<void>): Promise<number[]> {
  const protocol = await page.context().newCDPSession(page)
  const events: TraceEvent[] = []
  protocol.on("Tracing.dataCollected", ({ value }) => events.push(...(value as unknown as TraceEvent[])))
  const complete = new Promise(resolve => protocol.once("Tracing.tracingComplete", resolve))
  await protocol.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: ["toplevel", "disabled-by-default-devtools.timeline"] },
  })
  await work()
  await protocol.send("Tracing.end")
  await complete
  await protocol.detach()
  const mains = events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain")
  return events
    .filter(
      ({ name, pid, tid }) => name === "RunTask" && mains.some(main => main.pid === pid && main.tid === tid),
    )
    .map(({ tdur = 0 }) => tdur / 1000)
}
