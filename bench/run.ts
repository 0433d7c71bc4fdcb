/**
 * Measures this library, side by side with Diffusers where there is something to compare; `--help` says how.
 */
import { writeFileSync } from "node:fs"
import { cpus, loadavg, totalmem } from "node:os"
import { parseArgs, styleText } from "node:util"
import { endWithReader } from "../src/cli/closed-output.ts"
import { withFreshConversions } from "../test/parity/fresh-conversions.ts"
import { browserMemory } from "./browser-memory.ts"
import { browserPage } from "./browser-page.ts"
import { browserRuntime } from "./browser-runtime.ts"
import { browserSize } from "./browser-size.ts"
import { convolutions } from "./convolutions.ts"
import { eventLoop } from "./event-loop.ts"
import { fastSamplers } from "./fast-samplers.ts"
import type { Figure, Measurement, Result } from "./figure.ts"
import { resultOf } from "./figure.ts"
import { importTime } from "./import-time.ts"
import { loading } from "./loading.ts"
import { makeModels } from "./models.ts"
import { networks } from "./networks.ts"
import { sampler } from "./sampler.ts"
import { vjps } from "./vjp.ts"

const help = `Measures this library, in alternating pairs with Diffusers on PyTorch (in .venv, made on first use).

  npm run bench                         everything; half an hour on two cores, which should have nothing else to do
  npm run bench -- --only PATTERN       only figures whose names match a regular expression
  npm run bench -- --json FILE          also writes { "<figure>": { "value", "min", "max", "unit", "goal" } }
  npm run bench -- --list               their names

Each figure is the median of its samples, with the least and the greatest. bench/README.md says how each is measured.`

const measurements: readonly Measurement[] = [
  browserSize,
  browserPage,
  browserRuntime,
  browserMemory,
  importTime,
  loading,
  networks,
  convolutions,
  sampler,
  eventLoop,
  vjps,
  fastSamplers,
]

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    json: { type: "string" },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
})

endWithReader()
if (options.help) console.log(help)
else if (options.list) for (const { name } of wantedFigures()) console.log(name)
else process.exitCode = await withFreshConversions(main)

function wantedFigures(): Figure[] {
  const pattern = new RegExp(options.only)
  return measurements.flatMap(({ figures }) => figures).filter(({ name }) => pattern.test(name))
}

async function main(): Promise<number> {
  const figures = new Map(wantedFigures().map(figure => [figure.name, figure]))
  if (figures.size === 0) throw new Error(`No figure's name matches ${options.only}; see --list.`)
  const wanted = new Set(figures.keys())
  describeMachine()
  await makeModels()
  const results: Record<string, Result> = {}
  let failed = false
  printRow("figure", "median", "least … greatest", "goal", "")
  for (const measurement of measurements) {
    if (!measurement.figures.some(({ name }) => wanted.has(name))) continue
    try {
      for await (const { name, values } of measurement.run(wanted)) {
        const figure = figures.get(name)
        if (!figure) continue
        results[name] = resultOf(figure, values)
        printResult(name, results[name])
        if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
      }
    } catch (error) {
      failed = true
      console.error(error)
    }
  }
  return failed ? 1 : 0
}

function describeMachine(): void {
  const [{ model } = { model: "unknown processor" }] = cpus()
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  console.log(
    `${model}, ${cpus().length} cores, ${memory}, ${process.platform}, Node ${process.versions.node}`,
  )
  const [load = 0] = loadavg()
  if (load > 0.5) {
    console.log(
      styleText(
        "yellow",
        `Other programs are running (load ${load.toFixed(1)}): take the figures as provisional.`,
      ),
    )
  }
}

function printResult(name: string, { value, min, max, unit, goal }: Result): void {
  const verdict = goal === null ? "" : value <= goal ? styleText("green", "ok") : styleText("red", "missed")
  const format = (number: number): string => number.toPrecision(3)
  printRow(
    name,
    `${format(value)} ${unit}`,
    `${format(min)} … ${format(max)}`,
    goal === null ? "" : `≤ ${goal} ${unit}`,
    verdict,
  )
}

function printRow(name: string, value: string, spread: string, goal: string, verdict: string): void {
  console.log(
    `${name.padEnd(47)} ${value.padStart(10)} ${spread.padStart(18)} ${goal.padStart(10)}  ${verdict}`,
  )
}
