import { resolve } from "node:path"
import { defineConfig, type Rolldown, type UserConfig } from "tsdown"

const entry = "src/index.ts"
const worker = "src/platform/node/ort-worker.ts"

const browserEntries = { index: entry, "ort-worker": "src/platform/browser/ort-worker.ts" }

const shared: UserConfig = {
  format: "esm",
  target: "es2023",
  dts: true,
  sourcemap: false,
  clean: true,
  outExtensions: () => ({ js: ".js", dts: ".d.ts" }),
}

const config: UserConfig[] = defineConfig([
  {
    ...shared,
    platform: "node",
    outDir: "dist/node",
    entry: { index: entry, cli: "src/cli/main.ts", "ort-worker": worker },
    // Opening a file costs more than its contents do: what an import of the library loads anyway is in two files, of
    // which a worker thread needs one.
    outputOptions: {
      codeSplitting: {
        groups: [{ name: group("shared", entry, worker), priority: 1 }, { name: group("library", entry) }],
      },
    },
  },
  {
    ...shared,
    platform: "browser",
    outDir: "dist/browser",
    entry: browserEntries,
  },
  {
    ...shared,
    // For pages without a bundler: a script tag can't find the packages that the files above import.
    platform: "browser",
    outDir: "dist/standalone",
    entry: browserEntries,
    deps: { alwaysBundle: [/./] },
    dts: false,
    minify: true,
    plugins: [wasmInItsPackage()],
  },
]) as UserConfig[]

export default config

/** Lets ONNX Runtime look for its WebAssembly, which is too large to ship twice, in its own package beside this one. */
function wasmInItsPackage(): Rolldown.Plugin {
  const name = /"(ort-wasm-[\w.-]+\.wasm)",import\.meta\.url/g
  return {
    name: "wasm-in-its-package",
    transform: {
      filter: { id: /onnxruntime-web/ },
      handler: code => code.replace(name, '"../../../onnxruntime-web/dist/$1",import.meta.url'),
    },
  }
}

/** A group of the modules that each of the entries loads. */
function group(name: string, ...entries: string[]): Rolldown.CodeSplittingNameFunction {
  return (id, context) => (entries.every(entry => isLoadedBy(entry, id, context)) ? name : null)
}

/** Whether static imports lead from the module `start` to the module `id`. */
function isLoadedBy(start: string, id: string, context: Rolldown.ChunkingContext): boolean {
  const seen = new Set([id])
  for (const module of seen) {
    if (module === resolve(start)) return true
    for (const importer of context.getModuleInfo(module)?.importers ?? []) seen.add(importer)
  }
  return false
}
