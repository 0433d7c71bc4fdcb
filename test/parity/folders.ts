import { fileURLToPath } from "node:url"

const folder = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** The repository's root. */
export const root: string = folder("")
/** The model that ships. */
export const shippedModel: string = folder("models/ncsnpp-emoji-32")
/** What make_models.py writes. */
export const models: string = folder(".cache/parity/models")
/** What make_references.py writes. */
export const references: string = folder(".cache/parity/references")
/** Fixtures of the tests. */
export const fixtures: string = folder("test/fixtures")
/** The Python programs of this suite. */
export const programs: string = folder("test/parity")
