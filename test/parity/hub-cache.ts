/**
 * Checks that this library and Python's huggingface_hub read and fill the same cache.
 *
 *     npx tsx test/parity/hub-cache.ts
 */
import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { openRepo } from "../../src/hub/open-repo.ts"
import { startHubServer } from "../hub-server/hub-server.ts"
import { ensurePython } from "./venv.ts"

interface Report {
  readonly version: string
  readonly warnings: string[]
  readonly files: string[]
  readonly size: number
  readonly snapshot: string
  readonly digests: Record<string, string>
  readonly absent: boolean
}

const id = "org/model"
const files: Record<string, string | Uint8Array> = {
  "model_index.json": "{}\n",
  "README.md": "# A model\n",
  "unet/config.json": '{ "sample_size": 32 }\n',
  "unet/diffusion_pytorch_model.safetensors": new Uint8Array(3_000_000).map((_, i) => i * i),
  "empty.txt": "",
}
const paths = Object.keys(files).sort()
const bytes = paths.reduce((sum, path) => sum + Buffer.byteLength(files[path]!), 0)

const interpreter = await ensurePython()
const script = fileURLToPath(new URL("hub_cache.py", import.meta.url))
await using server = await startHubServer({ repos: { [id]: { files } } })

async function python(cacheDir: string, command: "read" | "fetch", ...names: string[]): Promise<Report> {
  const { stdout } = await promisify(execFile)(
    interpreter,
    [script, cacheDir, id, "main", command, ...names],
    {
      env: {
        ...process.env,
        HF_ENDPOINT: server.url,
        HF_HUB_DISABLE_PROGRESS_BARS: "1",
        HF_HUB_DISABLE_TELEMETRY: "1",
      },
    },
  )
  return JSON.parse(stdout)
}

/** Requests for files, not for descriptions of them. */
const fetches = (): string[] =>
  server.requests
    .filter(({ method, url }) => method === "GET" && !url.startsWith("/api/"))
    .map(({ url }) => url)

async function inTemporaryCache(name: string, check: (cacheDir: string) => Promise<void>): Promise<void> {
  const cacheDir = await mkdtemp(join(tmpdir(), "score-sde-parity-"))
  try {
    server.reset()
    await check(cacheDir)
    console.log(`ok  ${name}`)
  } finally {
    await rm(cacheDir, { recursive: true, force: true })
  }
}

await inTemporaryCache("Python reads a cache that this library filled", async cacheDir => {
  const repo = await openRepo(id, { endpoint: server.url, cacheDir })
  await repo.download(paths)
  await repo.derivedFile("unet.v1.onnx").write(Buffer.from("graph"))
  await assert.rejects(repo.open("unet/model.onnx"))
  const report = await python(cacheDir, "read", ...paths)
  console.log(`    huggingface_hub ${report.version}`)
  assert.deepEqual(report.warnings, [])
  assert.deepEqual(report.files, paths)
  assert.equal(report.size, bytes)
  assert.equal(report.snapshot, join(cacheDir, "models--org--model/snapshots", repo.commit!))
  for (const path of paths) {
    assert.equal(report.digests[path], createHash("sha256").update(files[path]!).digest("hex"))
  }
  assert.equal(report.absent, true)
})

await inTemporaryCache("Python reads a part of a repository that this library fetched", async cacheDir => {
  const repo = await openRepo(id, { endpoint: server.url, cacheDir })
  await repo.download(["unet/config.json"])
  const report = await python(cacheDir, "read", "unet/config.json")
  assert.deepEqual(report.warnings, [])
  assert.deepEqual(report.files, ["unet/config.json"])
})

await inTemporaryCache("Python finds nothing wrong after a mere look at a repository", async cacheDir => {
  await openRepo(id, { endpoint: server.url, cacheDir })
  assert.deepEqual((await python(cacheDir, "read")).warnings, [])
})

await inTemporaryCache("this library reads a cache that Python filled", async cacheDir => {
  await python(cacheDir, "fetch")
  server.reset()
  const offline = await openRepo(id, { endpoint: server.url, cacheDir, localFilesOnly: true })
  assert.deepEqual(
    offline.files.map(file => file.path),
    paths,
  )
  for (const path of paths) {
    const source = await offline.open(path)
    assert.ok(Buffer.from(files[path]!).equals(await source.read(0, source.size)))
    await source.close()
  }
  assert.deepEqual(server.requests, [])
  await (await openRepo(id, { endpoint: server.url, cacheDir })).download(paths)
  assert.deepEqual(fetches(), [])
})

await inTemporaryCache("each fetches only what the other has left out", async cacheDir => {
  const [first, second] = paths as [string, string]
  await (await openRepo(id, { endpoint: server.url, cacheDir })).download([first])
  await python(cacheDir, "fetch", first, second)
  await (await openRepo(id, { endpoint: server.url, cacheDir })).download(paths)
  const asked = fetches().map(url => url.replace(/^.*\/resolve\/[^/]+\//, ""))
  assert.deepEqual(asked, [...new Set(asked)])
  assert.deepEqual((await python(cacheDir, "read", ...paths)).warnings, [])
})
