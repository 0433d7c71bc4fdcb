import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { defineConfig, type UserConfig } from "vite"

// In its repository the page uses the library's source; anywhere else, the package that is installed.
const source = fileURLToPath(new URL("../../src/index.ts", import.meta.url))
const inRepository = existsSync(source)

// WebAssembly has threads only in pages that are cross-origin isolated. A host for the built page has to send these too.
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
}

const config: UserConfig = defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  resolve: { alias: inRepository ? { "score-sde": source } : {} },
  worker: { format: "es" },
  build: {
    target: "es2023",
    // Those that know light-dark(). What Vite writes for older ones follows the system only, not the page's own switch.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // Every file stays a file: nothing is loaded from data: URLs, which a strict Content-Security-Policy forbids.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
  },
  // ONNX Runtime finds its WebAssembly beside itself, where Vite's dev server would have moved it away.
  optimizeDeps: {
    exclude: ["onnxruntime-web"],
    entries: ["index.html", "src/engine/worker.ts"],
  },
  server: { headers, fs: { allow: inRepository ? ["../.."] : [] } },
  preview: { headers },
})

export default config
