import { readFile } from "node:fs/promises"
import { basename, resolve } from "node:path"
import * as v from "valibot"

const dtypes = v.optional(v.pipe(v.array(v.picklist(["fp32", "fp16"])), v.minLength(1)), ["fp32"])

const hubModel = v.strictObject({
  id: v.pipe(v.string(), v.regex(/^[\w-][\w.-]*\/[\w-][\w.-]*$/, "must be owner/name")),
  revision: v.optional(v.string()),
  dtypes,
})

const localModel = v.strictObject({
  folder: v.pipe(
    v.string(),
    v.check(folder => basename(resolve(folder)) !== "", "must be a folder with a name"),
  ),
  dtypes,
})

const listedModel = v.union(
  [hubModel, localModel],
  "must have either an `id` or a `folder`, and known keys only",
)

/** A model to export: one of the Hub or a folder, and the element types of the graphs. */
export type ListedModel = {
  readonly dtypes?: ("fp32" | "fp16")[] | undefined
} & ({ readonly id: string; readonly revision?: string | undefined } | { readonly folder: string })

const modelList = v.pipe(
  v.array(listedModel),
  v.minLength(1),
  v.check(
    models => new Set(models.map(outputName)).size === models.length,
    "two models have one output folder",
  ),
)

/** What a model is loaded from. */
export function sourceOf(model: ListedModel): string {
  return "id" in model ? model.id : model.folder
}

/** The folder, below that of all exports, that a model is written to. */
export function outputName(model: ListedModel): string {
  return "id" in model ? model.id : basename(resolve(model.folder))
}

/** Reads and checks a list of models; an error names the place in the file. */
export async function readModelList(path: string): Promise<ListedModel[]> {
  let json: unknown
  try {
    json = JSON.parse(await readFile(path, "utf8"))
  } catch (cause) {
    throw new Error(`${path} is not a readable JSON file: ${(cause as Error).message}`, { cause })
  }
  const result = v.safeParse(modelList, json)
  if (result.success) return result.output
  const issues = result.issues.map(issue => {
    const place = v.getDotPath(issue)
    return `${place === null ? "" : `at ${place}: `}${issue.message}`
  })
  throw new Error(`${path} is no list of models: ${issues.join("; ")}`)
}
