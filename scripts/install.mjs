// Installs the dependencies when they are missing or older than the lock file, so that `npm run demo` and `npm test`
// work right after `git clone`. Plain JavaScript: it runs before anything is installed.
import { spawnSync } from "node:child_process"
import { existsSync, statSync } from "node:fs"

const marker = "node_modules/.package-lock.json"
const fresh = existsSync(marker) && statSync(marker).mtimeMs >= statSync("package-lock.json").mtimeMs

if (!fresh) {
  console.error("Installing dependencies (once) …")
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], {
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  })
  if (status !== 0) process.exit(status ?? 1)
}
