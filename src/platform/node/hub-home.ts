import { homedir } from "node:os"
import { join, resolve } from "node:path"

/** The value of an environment variable; `undefined` where it is not set or blank. */
export function readEnv(name: string): string | undefined {
  const value = process.env[name]?.trim()
  return value === "" ? undefined : value
}

/** `HF_HOME`, else `huggingface` in `XDG_CACHE_HOME` or `~/.cache`. */
export function hubHome(): string {
  const home = readEnv("HF_HOME")
  if (home !== undefined) return expandPath(home)
  const caches = readEnv("XDG_CACHE_HOME")
  return join(caches === undefined ? join(homedir(), ".cache") : expandPath(caches), "huggingface")
}

/** Expands `~`, `$NAME` and `${NAME}`, as `huggingface_hub` does in these variables. */
export function expandPath(path: string): string {
  return path
    .replace(/^~(?=[/\\]|$)/, () => homedir())
    .replace(/\$(?:(\w+)|\{(\w+)\})/g, (text, bare, braced) => process.env[bare ?? braced] ?? text)
}

/** The folder for what is made from local models: `HF_ASSETS_CACHE`, else `assets` in {@link hubHome}. */
export function assetsDir(): string {
  const named = readEnv("HF_ASSETS_CACHE")
  return resolve(named === undefined ? join(hubHome(), "assets") : expandPath(named))
}
