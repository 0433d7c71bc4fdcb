/**
 * Compares this library with Diffusers on PyTorch; `--help` says how.
 */
import { parseArgs, styleText } from "node:util"
import { endWithReader } from "../../src/cli/closed-output.ts"
import type { Check, Finding } from "./check.ts"
import { withFreshConversions } from "./fresh-conversions.ts"
import { hubCacheCheck } from "./hub-cache-check.ts"
import { networkCheck } from "./networks.ts"
import { pictureCheck } from "./pictures.ts"
import { makeReferences, modelNames } from "./references.ts"
import { fixtureChecks } from "./regenerated-fixtures.ts"
import { savedFolderCheck } from "./saved-folders.ts"

const help = `Compares this library with Diffusers on PyTorch's CPU build, which go into .venv on first use.

  npm run parity                         everything but what takes tens of minutes
  npm run parity -- --full               also 50 steps of 1024 × 1024 pixels
  npm run parity -- --only PATTERN       only checks whose names match a regular expression
  npm run parity -- --list               their names, without Python

Names: "network MODEL", "picture MODEL", "saved MODEL", "fixtures FOLDER", "hub-cache".
The exit code is 1 when anything differs by more than its limit.`

const { values: options } = parseArgs({
  options: {
    full: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
})

endWithReader()
if (options.help) console.log(help)
else process.exitCode = await main()

async function main(): Promise<number> {
  const wanted = new RegExp(options.only)
  const models = (await modelNames()).map(model => ({ model, checks: checksOf(model) }))
  const ofModels = models.flatMap(({ checks }) => checks)
  const checks = [...ofModels, ...fixtureChecks, hubCacheCheck].filter(({ name }) => wanted.test(name))
  if (checks.length === 0) throw new Error(`No check's name matches ${options.only}; see --list.`)
  if (options.list) {
    for (const { name } of checks) console.log(name)
    return 0
  }
  const needed = models.filter(({ checks }) => checks.some(({ name }) => wanted.test(name)))
  if (needed.length > 0) {
    await makeReferences(
      needed.map(({ model }) => model),
      options.full,
    )
  }
  return withFreshConversions(() => report(checks))
}

/** What is compared for a model. Its pictures and its folder need a pipeline, which an option's model isn't. */
function checksOf(model: string): Check[] {
  if (model.startsWith("options/")) return [networkCheck(model)]
  const saved = model.startsWith("full/ncsnpp-1024") ? [] : [savedFolderCheck(model)]
  return [networkCheck(model), pictureCheck(model, options.full), ...saved]
}

async function report(checks: readonly Check[]): Promise<number> {
  const width = Math.max(...checks.map(({ name }) => name.length))
  const row = (name: string, { what, error, limit }: Omit<Finding, "ok">, end: string): void =>
    console.log(
      `${name.padEnd(width)}  ${what.padEnd(52)}  ${error.padStart(18)}  ${limit.padStart(14)}  ${end}`,
    )
  row("case", { what: "what", error: "worst error", limit: "limit" }, "")
  let count = 0
  let failures = 0
  for (const { name, run } of checks) {
    try {
      for await (const finding of run()) {
        row(name, finding, finding.ok ? styleText("green", "ok") : styleText("red", "DIFFERS"))
        count++
        if (!finding.ok) failures++
      }
    } catch (error) {
      const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
      row(name, { what: message, error: "", limit: "" }, styleText("red", "FAILED"))
      count++
      failures++
    }
  }
  console.log(failures === 0 ? `All ${count} agree.` : `${failures} of ${count} differ.`)
  return failures === 0 ? 0 : 1
}
