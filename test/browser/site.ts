import { once } from "node:events"
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { extname, join, normalize } from "node:path"
import { fileURLToPath } from "node:url"
import { bundledLibrary } from "./library.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".png": "image/png",
  ".svg": "image/svg+xml",
}

export interface SiteOptions {
  /** Whether the library is served, which may have to be bundled first. Default true. */
  readonly library?: boolean
  /** Whether pages are cross-origin isolated, which threads in WebAssembly need. Default true. */
  readonly isolated?: boolean
  /** The `Content-Security-Policy` of every response. */
  readonly contentSecurityPolicy?: string
  /** What lies at a path: the text or bytes of a file, or `{ folder }`, whose files are served below it. */
  readonly files?: Readonly<Record<string, string | Uint8Array | { readonly folder: string }>>
}

/** A web site on 127.0.0.1. */
export interface Site extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, a secure context. */
  readonly url: string
  /** The paths that were asked for, in order. */
  readonly requests: readonly string[]
}

/**
 * Serves an empty page at `/`, the library at `/lib` (see `bundledLibrary`), ONNX Runtime's files beside it and at
 * `/ort`, and this repository's models at `/models`.
 */
export async function startSite(options: SiteOptions = {}): Promise<Site> {
  const { library = true, isolated = true, contentSecurityPolicy, files = {} } = options
  const ort = join(root, "node_modules/onnxruntime-web/dist")
  const places: Readonly<Record<string, string | Uint8Array | { readonly folder: string }>> = {
    "/": "<!doctype html><html lang=en><title>score-sde</title>",
    "/favicon.ico": "",
    ...(library && { "/lib": { folder: await bundledLibrary() } }),
    "/ort": { folder: ort },
    "/models": { folder: join(root, "models") },
    ...files,
  }
  const requests: string[] = []

  const find = async (path: string): Promise<string | Uint8Array | { readonly file: string } | undefined> => {
    const exact = places[path]
    if (exact !== undefined && (typeof exact === "string" || exact instanceof Uint8Array)) return exact
    for (const [prefix, place] of Object.entries(places)) {
      if (typeof place === "string" || place instanceof Uint8Array || !path.startsWith(`${prefix}/`)) continue
      const inside = normalize(path.slice(prefix.length))
      // The bundle looks for WebAssembly files beside itself.
      for (const folder of prefix === "/lib" ? [place.folder, ort] : [place.folder]) {
        const file = join(folder, inside)
        if (
          await stat(file).then(
            found => found.isFile(),
            () => false,
          )
        )
          return { file }
      }
    }
    return undefined
  }

  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://127.0.0.1").pathname)
    requests.push(path)
    response.setHeader("cache-control", "no-store")
    response.setHeader("cross-origin-resource-policy", "same-origin")
    if (isolated) {
      response.setHeader("cross-origin-opener-policy", "same-origin")
      response.setHeader("cross-origin-embedder-policy", "require-corp")
    }
    if (contentSecurityPolicy) response.setHeader("content-security-policy", contentSecurityPolicy)
    const found = await find(path)
    if (found === undefined) return void response.writeHead(404).end("Not found")
    response.setHeader(
      "content-type",
      types[path === "/" ? ".html" : extname(path)] ?? "application/octet-stream",
    )
    if (typeof found === "string" || found instanceof Uint8Array) response.end(found)
    else createReadStream(found.file).pipe(response)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
}
