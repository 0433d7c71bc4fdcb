// Packs the library as it would be published, installs the tarball into an empty project and uses it there:
// what users get, not what stands in this folder.
import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { checkInBrowser } from "./check-package-in-browser.ts"

const root = resolve(import.meta.dirname, "..")
const work = mkdtempSync(join(tmpdir(), "score-sde-package-"))
const project = join(work, "project")

function run(command: string, args: readonly string[], cwd: string = project): string {
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" }
  return execFileSync(command, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })
}

function check(name: string, body: () => void): void {
  body()
  console.log(`ok: ${name}`)
}

function expectText(found: string, wanted: string): void {
  if (!found.includes(wanted))
    throw new Error(`Expected ${JSON.stringify(wanted)} in ${JSON.stringify(found)}.`)
}

try {
  run("npm", ["pack", "--silent", "--pack-destination", work], root)
  const tarball = join(work, readdirSync(work).find(name => name.endsWith(".tgz"))!)

  check("publint", () => run("npx", ["publint", tarball, "--strict"], root))
  check("types resolve", () =>
    run("npx", ["attw", tarball, "--profile", "esm-only", "--exclude-entrypoints", "ort-worker"], root),
  )

  run("mkdir", ["-p", join(project, "node_modules", "score-sde")], work)
  run("tar", ["xzf", tarball, "--strip-components=1", "-C", join(project, "node_modules", "score-sde")])
  // The dependencies are those of this checkout: only the package itself is in question here.
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name.startsWith(".") || name === "score-sde") continue
    symlinkSync(join(root, "node_modules", name), join(project, "node_modules", name))
  }
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module", private: true }))

  const model = JSON.stringify(join(root, "models/ncsnpp-emoji-32"))
  const sampling = `
    const pipe = await DiffusionPipeline.fromPretrained(${model})
    const { images, nfe } = await pipe({ seed: 0, numInferenceSteps: 2 })
    console.log(images[0].width, images[0].height, nfe)
    await pipe.dispose()`

  check("import samples in a worker thread", () => {
    writeFileSync(join(project, "esm.js"), `import { DiffusionPipeline } from "score-sde"\n${sampling}`)
    expectText(run("node", ["esm.js"]), "32 32 4")
  })
  check("require() gives the same names", () => {
    writeFileSync(
      join(project, "names.cjs"),
      `const required = Object.keys(require("score-sde")).sort().join()
       import("score-sde").then(module => console.log(Object.keys(module).sort().join() === required))`,
    )
    expectText(run("node", ["--no-warnings", "names.cjs"]), "true")
  })
  check("a TypeScript program compiles in strict mode", () => {
    writeFileSync(join(project, "program.ts"), `import { DiffusionPipeline } from "score-sde"\n${sampling}`)
    const flags = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2023", "--types", "node"]
    run(join(root, "node_modules/.bin/tsc"), [...flags, "--noUncheckedIndexedAccess", "program.ts"])
  })
  check("the command line starts", () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }
    expectText(run("node", ["node_modules/score-sde/dist/node/cli.js", "--version"]), version)
  })
  check("no Node module in the browser files", () => {
    const folder = join(project, "node_modules/score-sde/dist/browser")
    for (const file of readdirSync(folder).filter(name => name.endsWith(".js"))) {
      const found = /(?:from|import\()\s*["'](node:[^"']+|onnxruntime-node|sharp)["']/.exec(
        readFileSync(join(folder, file), "utf8"),
      )
      if (found) throw new Error(`${file} imports ${found[1]}.`)
    }
  })
  for await (const name of checkInBrowser(project)) console.log(`ok: ${name}`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
