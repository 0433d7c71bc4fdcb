/**
 * Where the time of a network's evaluation goes, by operator, in ONNX Runtime's profiler.
 *
 *     npx tsx bench/profile.ts MODEL [--runs 5] [--nodes 15]
 */
import { parseArgs } from "node:util"
import { withFreshConversions } from "../test/parity/fresh-conversions.ts"
import { median } from "./figure.ts"
import { benchModels, makeModels } from "./models.ts"
import { type ProfiledKernel, type ProfiledRun, underProfiler } from "./profiler.ts"

const { values: options, positionals } = parseArgs({
  options: { runs: { type: "string", default: "5" }, nodes: { type: "string", default: "15" } },
  allowPositionals: true,
})
const model = benchModels.find(({ name }) => name === positionals[0])
if (!model) throw new Error(`Name one of ${benchModels.map(({ name }) => name).join(", ")}.`)

await makeModels()
const count = Number(options.runs)
const profiled = await withFreshConversions(() => underProfiler(model, evaluate => evaluate(2 * count)))
// The first half is for warming up.
const runs = profiled.slice(count)
const total = median(runs.map(run => run.seconds))
const kernels = medianKernels(runs)

console.log(`${model.name}: ${(1000 * total).toFixed(1)} ms, median of ${runs.length} evaluations\n`)
row("ms", "share", "nodes", "operator")
const operators = [...new Set(kernels.map(({ op }) => op))].map(
  op => [op, kernels.filter(kernel => kernel.op === op)] as const,
)
for (const [op, nodes] of operators.toSorted(([, a], [, b]) => sum(b) - sum(a)))
  row(milliseconds(sum(nodes)), share(sum(nodes)), String(nodes.length), op)
row(milliseconds(total - sum(kernels)), share(total - sum(kernels)), "", "outside of kernels")

console.log("\nThe longest nodes:\n")
for (const kernel of kernels.toSorted((a, b) => b.seconds - a.seconds).slice(0, Number(options.nodes))) {
  const shapes = [kernel.inputShapes, kernel.outputShapes].map(list =>
    list.map(shape => shape.join("×")).join(" "),
  )
  row(milliseconds(kernel.seconds), share(kernel.seconds), kernel.op, `${kernel.node}  ${shapes.join(" → ")}`)
}

/** The kernels of one run, each with its median time over all runs; every run does the same. */
function medianKernels([first, ...others]: readonly ProfiledRun[]): ProfiledKernel[] {
  return first!.kernels.map((kernel, i) => ({
    ...kernel,
    seconds: median([kernel, ...others.map(run => run.kernels[i]!)].map(each => each.seconds)),
  }))
}

function sum(list: readonly ProfiledKernel[]): number {
  return list.reduce((seconds, kernel) => seconds + kernel.seconds, 0)
}

function milliseconds(seconds: number): string {
  return (1000 * seconds).toFixed(2)
}

function share(seconds: number): string {
  return `${((100 * seconds) / total).toFixed(1)} %`
}

function row(time: string, part: string, count: string, what: string): void {
  console.log(`${time.padStart(9)}  ${part.padStart(7)}  ${count.padStart(16)}  ${what}`)
}
