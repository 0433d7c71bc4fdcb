import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"

/** Something that goes wrong with requests whose URL holds `match`, `times` times (default: always). */
export type Fault = {
  readonly match: string | RegExp
  readonly times?: number
  /** Only on this server; the Hub hands LFS files over to the CDN, which is another origin. */
  readonly server?: "hub" | "cdn"
} & FaultKind

export type FaultKind =
  /** One bit of the body is wrong. */
  | { readonly kind: "corrupt" }
  /** The body ends in good order after so many bytes, without its length having been announced. */
  | { readonly kind: "cut"; readonly after: number }
  /** The connection is lost after so many bytes of the body, one bit of which may be wrong, or the ETag another. */
  | { readonly kind: "drop"; readonly after: number; readonly etag?: string; readonly corrupt?: true }
  /** The server goes silent after so many bytes; before the answer, if absent. */
  | { readonly kind: "hang"; readonly after?: number }
  /** The body trickles in so many pieces, with a pause of some milliseconds before each. */
  | { readonly kind: "slow"; readonly pieces: number; readonly pause: number }
  | {
      readonly kind: "status"
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
    }
  /** The file claims to be another version. */
  | { readonly kind: "etag"; readonly etag: string }
  /** Ranges are ignored, as some proxies do. */
  | { readonly kind: "whole" }
  /** Every range is refused with 416. */
  | { readonly kind: "unsatisfiable" }
  | { readonly kind: "redirect"; readonly to: string }
  /** Another body, with status 200. */
  | { readonly kind: "body"; readonly body: string | Uint8Array }

/** The faults that a server still has to commit. */
export class FaultPlan {
  readonly #pending: { fault: Fault; left: number }[] = []

  add(fault: Fault): void {
    this.#pending.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY })
  }

  clear(): void {
    this.#pending.length = 0
  }

  /** The fault for a request, used up by one. */
  take(server: "hub" | "cdn", url: string): Fault | undefined {
    const entry = this.#pending.find(
      ({ fault, left }) =>
        left > 0 &&
        (fault.server ?? server) === server &&
        (typeof fault.match === "string" ? url.includes(fault.match) : fault.match.test(url)),
    )
    if (entry !== undefined) entry.left -= 1
    return entry?.fault
  }
}

/** Sends a body the way the fault has it. Headers are set already, but for the length. */
export async function sendBody(
  response: ServerResponse,
  content: Uint8Array,
  fault: Fault | undefined,
): Promise<void> {
  const body = Buffer.from(content)
  switch (fault?.kind) {
    case "corrupt":
      if (body.length > 0) body[body.length >> 1]! ^= 1
      break
    case "cut":
      response.write(body.subarray(0, fault.after))
      response.end()
      return
    case "drop":
    case "hang":
      response.setHeader("content-length", body.length)
      if (fault.kind === "drop" && fault.corrupt) body[0]! ^= 1
      response.write(body.subarray(0, fault.after))
      if (fault.kind === "hang") return
      // The bytes have to be on their way before the connection goes.
      await sleep(20)
      response.destroy()
      return
    case "slow": {
      response.setHeader("content-length", body.length)
      const size = Math.ceil(body.length / fault.pieces)
      for (let start = 0; start < body.length && !response.destroyed; start += size) {
        await sleep(fault.pause)
        if (!response.write(body.subarray(start, start + size))) await once(response, "drain").catch(() => {})
      }
      response.end()
      return
    }
  }
  response.setHeader("content-length", body.length)
  response.end(body)
}
