/**
 * Exports many models, and reports on each:
 *
 *     npx tsx scripts/export/export.ts models.json --out DIR [--python .venv/bin/python]
 *
 * models.json is a list of { "id": "owner/name", "revision"?, "dtypes"? } and { "folder": "…", "dtypes"? }; dtypes are
 * those of the graphs, ["fp32"] by default. Each goes to a folder of its name in DIR, and DIR/report.json says what was
 * written. Where a Python with Diffusers is, it compares each export with what Diffusers itself would have saved.
 * The exit code is 1 if any model failed.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Command } from "commander"
import { makeDirectory, writeFileAtomic } from "#platform/files"
import { type ExportedModel, exportModel } from "./export-model.ts"
import { type ListedModel, readModelList, sourceOf } from "./model-list.ts"
import { checkWithPython, pythonTrouble } from "./python-check.ts"

interface FailedModel {
  readonly source: string
  readonly error: string
}

type Result = (ExportedModel & { readonly python?: "equal" | { readonly differs: string } }) | FailedModel

const venv = process.platform === "win32" ? ".venv/Scripts/python.exe" : ".venv/bin/python"

await new Command("export")
  .description("Exports many models, and reports on each.")
  .argument("<models.json>", "the list of models")
  .requiredOption("--out <dir>", "the folder to write")
  .option(
    "--python <path>",
    `a Python with Diffusers that checks the exports (default: ${venv}, if it is there)`,
  )
  .action(exportAll)
  .parseAsync()

async function exportAll(list: string, options: { out: string; python?: string }): Promise<void> {
  let models: readonly ListedModel[]
  let python: string | undefined
  try {
    models = await readModelList(list)
    python = await findPython(options.python)
  } catch (error) {
    console.error(`Error: ${(error as Error).message}`)
    process.exitCode = 2
    return
  }
  await makeDirectory(options.out)
  const results: Result[] = []
  for (const [i, model] of models.entries()) {
    console.error(`[${i + 1}/${models.length}] ${sourceOf(model)}`)
    const result = await exportAndCheck(model, options.out, python)
    results.push(result)
    console.error(`  ${outcome(result)}`)
    // After every model, so that a list that is stopped leaves a true report.
    const report = new TextEncoder().encode(`${JSON.stringify(results, undefined, 2)}\n`)
    await writeFileAtomic(join(options.out, "report.json"), report)
  }
  const failed = results.filter(hasFailed)
  console.log(
    `${results.length - failed.length} of ${results.length} exported${python ? " and checked" : ""}`,
  )
  for (const { source } of failed) console.log(`failed: ${source}`)
  process.exitCode = failed.length === 0 ? 0 : 1
}

async function findPython(asked: string | undefined): Promise<string | undefined> {
  const python = asked ?? (existsSync(venv) ? venv : undefined)
  const trouble = python === undefined ? `there is no ${venv}` : await pythonTrouble(python)
  if (trouble === undefined) console.error(`Checking the exports with ${python}.`)
  else if (asked !== undefined) throw new Error(`${asked} can't check the exports: ${trouble}.`)
  else console.error(`Not checking the exports with Python: ${trouble}.`)
  return trouble === undefined ? python : undefined
}

async function exportAndCheck(model: ListedModel, out: string, python: string | undefined): Promise<Result> {
  try {
    const exported = await exportModel(model, out)
    if (python === undefined) return exported
    // A revision can't be told to the program, so that the export itself is what has to load and save alike.
    const saved = join(out, exported.folder)
    const differs = await checkWithPython(
      python,
      exported.revision === undefined ? exported.source : saved,
      saved,
    )
    return { ...exported, python: differs === undefined ? "equal" : { differs } }
  } catch (error) {
    return { source: sourceOf(model), error: (error as Error).message }
  }
}

function hasFailed(result: Result): boolean {
  return "error" in result || typeof result.python === "object"
}

function outcome(result: Result): string {
  if ("error" in result) return `failed: ${result.error}`
  const bytes = result.files.reduce((sum, file) => sum + file.bytes, 0)
  const done = `${result.files.length} files, ${(bytes / 1e6).toFixed(1)} MB, ${result.seconds} s`
  if (result.python === undefined) return done
  return result.python === "equal" ? `${done}; equal to Diffusers' own` : `${done}; ${result.python.differs}`
}
