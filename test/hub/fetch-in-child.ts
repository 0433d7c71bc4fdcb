// A process of its own that fetches one file: node --import tsx fetch-in-child.ts ENDPOINT CACHE_DIR ID PATH
import { openRepo } from "../../src/hub/open-repo.ts"

const [endpoint, cacheDir, id, path] = process.argv.slice(2) as [string, string, string, string]
const repo = await openRepo(id, { endpoint, cacheDir })
process.stdout.write(await repo.localPath(path))
