import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { atMost, type Check, type Finding, same } from "./check.ts"
import { fixtures, programs, root } from "./folders.ts"
import { runPython } from "./python.ts"

// Numbers come out the same to the last digit on like processors, and nearly so on others.
const numberLimit = 1e-5

/** Fixtures that a `make.py` beside them writes, and that come out the same each time. */
const folders = ["config", "pipelines", "random", "schedulers"]

/** Runs the programs that made the committed fixtures, and compares. */
export const fixtureChecks: readonly Check[] = [
  {
    name: "fixtures unet2d",
    run: () =>
      compareIn("unet2d", async made => void (await runPython([join(programs, "make_fixtures.py"), made]))),
  },
  ...folders.map(folder => ({
    name: `fixtures ${folder}`,
    run: () =>
      compareIn(folder, async made => {
        await cp(join(fixtures, folder, "make.py"), join(made, "make.py"))
        await runPython([join(made, "make.py")], { cwd: made })
      }),
  })),
]

/** Makes a folder's fixtures anew, in a temporary tree that looks like the repository to their program. */
async function* compareIn(folder: string, make: (made: string) => Promise<void>): AsyncGenerator<Finding> {
  const tree = await mkdtemp(join(tmpdir(), "score-sde-fixtures-"))
  try {
    const made = join(tree, "test", "fixtures", folder)
    await mkdir(made, { recursive: true })
    for (const beside of ["models", "test/parity"]) {
      await mkdir(dirname(join(tree, beside)), { recursive: true })
      await symlink(join(root, beside), join(tree, beside))
    }
    await make(made)
    const names = (await readdir(made)).filter(name => name.endsWith(".json"))
    for (const name of names.sort())
      yield await compareFile(join(fixtures, folder, name), join(made, name), name)
  } finally {
    await rm(tree, { recursive: true, force: true })
  }
}

async function compareFile(committed: string, made: string, name: string): Promise<Finding> {
  const [ours, theirs] = await Promise.all([readFile(committed, "utf8"), readFile(made, "utf8")])
  if (ours === theirs) return same(name, undefined)
  try {
    return atMost(
      `${name}, numbers`,
      numberDifference(JSON.parse(ours), JSON.parse(theirs), name),
      numberLimit,
    )
  } catch (error) {
    return same(name, (error as Error).message)
  }
}

/**
 * The largest difference of numbers in two JSON values, relative to the largest number beside them.
 *
 * @throws Error where anything else differs.
 */
function numberDifference(a: unknown, b: unknown, path: string): number {
  if (isNumbers(a) && isNumbers(b) && a.length === b.length) {
    const largest = Math.max(...a.map(Math.abs), Number.MIN_VALUE)
    return Math.max(0, ...a.map((x, i) => Math.abs(x - b[i]!))) / largest
  }
  if (typeof a === "number" && typeof b === "number") return numberDifference([a], [b], path)
  if (typeof a === "object" && typeof b === "object" && a !== null && b !== null) {
    const keys = Object.keys(a)
    if (keys.join() === Object.keys(b).join()) {
      const pairs = keys.map(key => [key, a[key as keyof typeof a], b[key as keyof typeof b]] as const)
      return Math.max(0, ...pairs.map(([key, x, y]) => numberDifference(x, y, `${path}/${key}`)))
    }
  }
  if (a === b) return 0
  throw new Error(`${path} differs`)
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every(item => typeof item === "number")
}
