import { once } from "node:events"
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { type Fault, FaultPlan, sendBody } from "./faults.ts"
import { type Files, type RepoSpec, ServedRepo, type StoredBlob } from "./repos.ts"

export type { Fault } from "./faults.ts"
export type { Files, RepoSpec } from "./repos.ts"

export interface HubServerOptions {
  /** Repositories by id. */
  readonly repos?: Readonly<Record<string, RepoSpec>>
  readonly faults?: readonly Fault[]
  /** The one token that is good. */
  readonly token?: string
  /** Where sizes and hashes of files are told: with the revision, only in the tree, or only with the file. */
  readonly metadata?: "revision" | "tree" | "file"
  /** Entries on one page of the tree. */
  readonly pageSize?: number
}

/** A request as it came in. */
export interface RecordedRequest {
  readonly server: "hub" | "cdn"
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

/** A Hub on 127.0.0.1, with a second origin that LFS files are fetched from. */
export interface HubServer extends AsyncDisposable {
  readonly url: string
  readonly cdnUrl: string
  readonly requests: readonly RecordedRequest[]
  /** Publishes a new state of a branch; returns the commit. */
  commit(id: string, files: Files, branch?: string): string
  addFault(fault: Fault): void
  /** Forgets faults and recorded requests. */
  reset(): void
  close(): Promise<void>
}

/**
 * Starts a Hub that can be read from, over real HTTP, and that fails on command:
 *
 * - `GET /api/models/{id}/revision/{revision}` with commit, files and (`?blobs=true`) sizes and hashes;
 * - `GET /api/models/{id}/tree/{revision}?recursive=true`, in pages;
 * - `GET`, `HEAD /{id}/resolve/{revision}/{path}` with ranges, `If-Range`, `ETag`, `X-Linked-*`, `X-Repo-Commit`.
 */
export async function startHubServer(options: HubServerOptions = {}): Promise<HubServer> {
  const { token = "hf_test", metadata = "revision", pageSize = 1000 } = options
  const repos = new Map(
    Object.entries(options.repos ?? {}).map(([id, spec]) => [id, new ServedRepo(id, spec)]),
  )
  const faults = new FaultPlan()
  for (const fault of options.faults ?? []) faults.add(fault)
  const requests: RecordedRequest[] = []

  const listen = async (name: "hub" | "cdn", handle: (exchange: Exchange) => Promise<void>) => {
    const server = createServer((request, response) => {
      const url = request.url ?? "/"
      requests.push({ server: name, method: request.method ?? "", url, headers: request.headers })
      response.setHeader("access-control-allow-origin", "*")
      response.setHeader(
        "access-control-allow-headers",
        "Authorization, Range, If-Range, Accept, Content-Type",
      )
      response.setHeader(
        "access-control-expose-headers",
        "Content-Range, ETag, X-Linked-ETag, X-Linked-Size, X-Repo-Commit, X-Error-Code, Link",
      )
      if (request.method === "OPTIONS") return void response.writeHead(204).end()
      const fault = faults.take(name, url)
      if (fault?.kind === "hang" && fault.after === undefined) return
      if (fault?.kind === "status") {
        return void response.writeHead(fault.status, fault.headers).end("Something went wrong.")
      }
      if (fault?.kind === "redirect") return void response.writeHead(302, { location: fault.to }).end()
      if (fault?.kind === "body") return void response.end(fault.body)
      handle({ request, response, url: new URL(url, "http://127.0.0.1"), fault }).catch(error => {
        console.error(error)
        response.destroy()
      })
    })
    // Different hosts, not only ports: some clients tell servers apart by host.
    const host = name === "hub" ? "127.0.0.1" : "localhost"
    server.listen(0, host)
    await once(server, "listening")
    const { port } = server.address() as AddressInfo
    return { server, url: `http://${host}:${port}` }
  }

  const cdn = await listen("cdn", async ({ request, response, url, fault }) => {
    const [, id, commit, path] = /^\/(.+?)@([0-9a-f]{40})\/(.*)$/.exec(decodeURIComponent(url.pathname)) ?? []
    const blob = repos
      .get(id ?? "")
      ?.files(commit!)
      .get(path!)
    if (blob === undefined) return void response.writeHead(404).end()
    await sendFile(request, response, blob, fault)
  })

  const hub = await listen("hub", async ({ request, response, url, fault }) => {
    const refuse = (status: number, code: string, message: string): void => {
      response.setHeader("x-error-code", code)
      response.setHeader("x-error-message", message)
      response
        .writeHead(status, { "content-type": "application/json" })
        .end(JSON.stringify({ error: message }))
    }
    const route = matchRoute(url.pathname)
    if (route === undefined) return void response.writeHead(404).end("No such route.")
    const known = request.headers.authorization === `Bearer ${token}`
    if (request.headers.authorization !== undefined && !known) {
      return refuse(401, "", "Invalid credentials in Authorization header")
    }
    const repo = repos.get(route.id)
    if (repo === undefined || (repo.access === "private" && !known)) {
      return refuse(known ? 404 : 401, "RepoNotFound", "Repository not found")
    }
    if (repo.access === "gated" && !known && route.kind === "resolve") {
      return refuse(401, "GatedRepo", `Access to model ${repo.id} is restricted.`)
    }
    const commit = repo.resolve(route.revision)
    if (commit === undefined) {
      return refuse(404, "RevisionNotFound", `Invalid rev id: ${route.revision}`)
    }
    const files = repo.files(commit)

    if (route.kind === "revision") {
      const blobs = url.searchParams.get("blobs") === "true" && metadata === "revision"
      const siblings = [...files].map(([rfilename, { content, gitId, sha256 }]) => ({
        rfilename,
        ...(blobs && { size: content.length, blobId: gitId }),
        ...(blobs && sha256 && { lfs: { sha256, size: content.length, pointerSize: 134 } }),
      }))
      const reply = { _id: "0", id: repo.id, sha: commit, private: repo.access === "private", siblings }
      return await sendBody(response, Buffer.from(JSON.stringify(reply)), fault)
    }

    if (route.kind === "tree") {
      if (metadata === "file") return refuse(404, "EntryNotFound", "Not served here")
      const entries = treeEntries(files)
      const start = Number(url.searchParams.get("cursor") ?? 0)
      if (start + pageSize < entries.length) {
        url.searchParams.set("cursor", String(start + pageSize))
        response.setHeader("link", `<${hub.url}${url.pathname}${url.search}>; rel="next"`)
      }
      const page = JSON.stringify(entries.slice(start, start + pageSize))
      return await sendBody(response, Buffer.from(page), fault)
    }

    const blob = files.get(route.path)
    response.setHeader("x-repo-commit", commit)
    if (blob === undefined) return refuse(404, "EntryNotFound", "Entry not found")
    if (blob.sha256 === undefined) return await sendFile(request, response, blob, fault)
    response.setHeader("x-linked-etag", `"${blob.sha256}"`)
    response.setHeader("x-linked-size", blob.content.length)
    const path = route.path.split("/").map(encodeURIComponent).join("/")
    response.writeHead(302, { location: `${cdn.url}/${repo.id}@${commit}/${path}?signature=abc` }).end()
  })

  const close = async (): Promise<void> => {
    for (const { server } of [hub, cdn]) {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    }
  }
  return {
    url: hub.url,
    cdnUrl: cdn.url,
    requests,
    commit: (id, files, branch = "main") => repos.get(id)!.commit(branch, files),
    addFault: fault => faults.add(fault),
    reset() {
      faults.clear()
      requests.length = 0
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
  readonly fault: Fault | undefined
}

interface Route {
  readonly kind: "revision" | "tree" | "resolve"
  readonly id: string
  readonly revision: string
  readonly path: string
}

function matchRoute(pathname: string): Route | undefined {
  const [, id, kind, revision] = /^\/api\/models\/(.+?)\/(revision|tree)\/([^/]+)/.exec(pathname) ?? []
  if (id !== undefined) {
    return { kind: kind as "revision" | "tree", id, revision: decodeURIComponent(revision!), path: "" }
  }
  const [, owner, branch, path] = /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(pathname) ?? []
  if (owner === undefined) return undefined
  return {
    kind: "resolve",
    id: owner,
    revision: decodeURIComponent(branch!),
    path: decodeURIComponent(path!),
  }
}

function treeEntries(files: ReadonlyMap<string, StoredBlob>): unknown[] {
  const folders = new Set([...files.keys()].flatMap(path => path.split("/").slice(0, -1).join("/") || []))
  return [
    ...[...folders].map(path => ({ type: "directory", path, oid: "0".repeat(40), size: 0 })),
    ...[...files].map(([path, { content, gitId, sha256 }]) => ({
      type: "file",
      path,
      oid: gitId,
      size: content.length,
      ...(sha256 && { lfs: { oid: sha256, size: content.length, pointerSize: 134 } }),
    })),
  ]
}

/** Sends a file, or the range of it that was asked for. */
async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  blob: StoredBlob,
  fault: Fault | undefined,
): Promise<void> {
  const { content } = blob
  const claimed = fault?.kind === "etag" || fault?.kind === "drop" ? fault.etag : undefined
  const etag = claimed ?? `"${blob.sha256 ?? blob.gitId}"`
  response.setHeader("etag", etag)
  response.setHeader("accept-ranges", "bytes")
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? []
  const condition = request.headers["if-range"]
  const ranged = from !== undefined && (condition ?? etag) === etag && fault?.kind !== "whole"
  const start = ranged ? Number(from) : 0
  const end = ranged && to ? Math.min(Number(to) + 1, content.length) : content.length
  if (ranged && (start >= content.length || fault?.kind === "unsatisfiable")) {
    return void response.writeHead(416, { "content-range": `bytes */${content.length}` }).end()
  }
  if (ranged) {
    response.statusCode = 206
    response.setHeader("content-range", `bytes ${start}-${end - 1}/${content.length}`)
  }
  if (request.method === "HEAD") return void response.setHeader("content-length", end - start).end()
  await sendBody(response, content.subarray(start, end), fault)
}
