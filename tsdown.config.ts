import { defineConfig, type UserConfig } from "tsdown"

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
    entry: { index: "src/index.ts", cli: "src/cli/main.ts", "ort-worker": "src/platform/node/ort-worker.ts" },
  },
  {
    ...shared,
    platform: "browser",
    outDir: "dist/browser",
    entry: { index: "src/index.ts", "ort-worker": "src/platform/browser/ort-worker.ts" },
  },
]) as UserConfig[]

export default config
