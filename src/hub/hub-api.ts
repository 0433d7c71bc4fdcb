import * as v from "valibot"
import type { HubFile } from "../platform/repo-store.ts"
import { type Answer, get, readAnswer, type Subject } from "./connection.ts"
import { HubError } from "./errors.ts"
import { isSafePath, printable } from "./names.ts"
import { TransientError, withRetries } from "./retry.ts"
import type { HubSettings } from "./settings.ts"
import type { ListedFile } from "./tree-file.ts"

const maxAnswerBytes = 64 * 2 ** 20
const maxPages = 1000
const maxFiles = 200_000

const commitSchema = v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/, "not a commit"))
const sizeSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const digestSchema = v.pipe(v.string(), v.regex(/^[\w][\w.-]{0,127}$/))

const revisionSchema = v.object({
  sha: commitSchema,
  siblings: v.pipe(
    v.array(
      v.object({
        rfilename: v.string(),
        size: v.nullish(sizeSchema),
        blobId: v.nullish(digestSchema),
        lfs: v.nullish(v.object({ sha256: digestSchema, size: sizeSchema })),
      }),
    ),
    v.maxLength(maxFiles),
  ),
})

const treePageSchema = v.array(
  v.object({
    type: v.string(),
    path: v.string(),
    size: v.nullish(sizeSchema),
    oid: v.nullish(digestSchema),
    lfs: v.nullish(v.object({ oid: digestSchema, size: sizeSchema })),
  }),
)

/** A revision, resolved. */
export interface ResolvedRevision {
  readonly commit: string
  readonly files: readonly ListedFile[]
}

/** Asks which commit a revision is, and what files it has. */
export async function resolveRevision(
  id: string,
  revision: string,
  settings: HubSettings,
): Promise<ResolvedRevision> {
  const subject = { id, revision }
  const base = `${settings.endpoint}/api/models/${id}`
  const url = `${base}/revision/${encodeURIComponent(revision)}?blobs=true`
  const { value } = await getJson(url, revisionSchema, subject, settings)
  const listed = value.siblings.map(({ rfilename, size, blobId, lfs }) =>
    describe(rfilename, lfs?.size ?? size, lfs?.sha256 ?? blobId),
  )
  // Mirrors may leave out sizes and hashes here and still have them in the tree.
  const files = listed.every(isDescribed)
    ? listed
    : await listTree(`${base}/tree/${value.sha}`, subject, settings)
  return { commit: value.sha, files: (files ?? listed).filter(file => isSafePath(file.path)) }
}

/** Whether a listing says all that is needed to fetch and check the file. */
export function isDescribed(file: ListedFile): file is HubFile {
  return file.size !== undefined && file.digest !== undefined
}

/** The address of a file's bytes. */
export function fileUrl(id: string, commit: string, path: string, settings: HubSettings): string {
  return `${settings.endpoint}/${id}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`
}

/** Asks the server for the size and the hash of a file whose listing lacks them. */
export async function probeFile(
  id: string,
  commit: string,
  path: string,
  settings: HubSettings,
): Promise<HubFile> {
  const subject = { id, revision: commit, path }
  const answer = await withRetries(async () => {
    const probe = await get(fileUrl(id, commit, path, settings), { range: "bytes=0-0" }, subject, settings)
    await probe.discard()
    return probe
  }, settings)
  const file = describe(path, statedSize(answer), statedDigest(answer))
  if (!isDescribed(file)) {
    throw new HubError(
      "INVALID_RESPONSE",
      `${settings.endpoint} tells no size and hash of ${path} in ${id}, so what it sends could not be checked.`,
    )
  }
  return file
}

function statedDigest(answer: Answer): string | undefined {
  const tag = answer.header("x-linked-etag") ?? answer.header("etag")
  const digest = tag?.replace(/^W\//, "").replace(/^"(.*)"$/, "$1")
  return v.is(digestSchema, digest) ? digest : undefined
}

function statedSize(answer: Answer): number | undefined {
  const size = Number(
    answer.header("x-linked-size") ??
      answer.bodyHeader("content-range")?.split("/")[1] ??
      (answer.status === 200 ? answer.bodyHeader("content-length") : undefined),
  )
  return v.is(sizeSchema, size) ? size : undefined
}

async function listTree(
  url: string,
  subject: Subject,
  settings: HubSettings,
): Promise<ListedFile[] | undefined> {
  const files: ListedFile[] = []
  let next: string | undefined = `${url}?recursive=true`
  for (let page = 0; next !== undefined; page += 1) {
    if (page === maxPages || files.length > maxFiles) {
      throw new HubError("INVALID_RESPONSE", `The list of files of ${subject.id} has no end.`)
    }
    const answer: JsonAnswer<typeof treePageSchema> | undefined = await getJson(
      next,
      treePageSchema,
      subject,
      settings,
    ).catch(error => {
      // A mirror without this route: sizes and hashes are then asked for file by file.
      if (error instanceof HubError && /NOT_FOUND$/.test(error.code)) return undefined
      throw error
    })
    if (answer === undefined) return undefined
    for (const { type, path, size, oid, lfs } of answer.value) {
      if (type === "file") files.push(describe(path, lfs?.size ?? size, lfs?.oid ?? oid))
    }
    next = nextPage(answer.link, settings)
  }
  return files
}

function nextPage(link: string | null, settings: HubSettings): string | undefined {
  const target = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1]
  if (target === undefined || !URL.canParse(target, settings.endpoint)) return undefined
  const url = new URL(target, settings.endpoint)
  return url.origin === new URL(settings.endpoint).origin ? url.href : undefined
}

function describe(
  path: string,
  size: number | null | undefined,
  digest: string | null | undefined,
): ListedFile {
  return { path, ...(size == null ? {} : { size }), ...(digest == null ? {} : { digest }) }
}

interface JsonAnswer<Schema extends v.GenericSchema> {
  readonly value: v.InferOutput<Schema>
  readonly link: string | null
}

async function getJson<Schema extends v.GenericSchema>(
  url: string,
  schema: Schema,
  subject: Subject,
  settings: HubSettings,
): Promise<JsonAnswer<Schema>> {
  return withRetries(async () => {
    const answer = await get(url, { accept: "application/json" }, subject, settings)
    const text = await readAnswer(answer, maxAnswerBytes, subject)
    const result = v.safeParse(schema, parseJson(text, subject, settings))
    if (!result.success) {
      const issue = result.issues[0]
      throw new HubError(
        "INVALID_RESPONSE",
        `${settings.endpoint} describes ${subject.id} in a form that is not the Hub's: ` +
          `${v.getDotPath(issue) ?? "it"} should be ${printable(String(issue.expected))}, found ${printable(issue.received)}.`,
        { hint: "Check the endpoint option and HF_ENDPOINT." },
      )
    }
    return { value: result.output, link: answer.header("link") }
  }, settings)
}

function parseJson(text: string, subject: Subject, settings: HubSettings): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new TransientError(`${settings.endpoint} sent broken JSON about ${subject.id}`, { cause: error })
  }
}
