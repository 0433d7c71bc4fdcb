import { describeValue } from "../describe-value.ts"
import { InputError } from "../errors.ts"
import { SdeError } from "./errors.ts"

/** Things that are known by a name, to which users can add their own; `none` stands for doing nothing. */
export class Registry<T extends { readonly update: unknown }> {
  readonly #kind: string
  readonly #hint: string
  readonly #entries: Map<string, T>

  /**
   * @param kind - What errors call an entry.
   * @param hint - The next step for who asked for an entry that is not defined for their SDE.
   */
  constructor(kind: string, hint: string, entries: Readonly<Record<string, T>>) {
    this.#kind = kind
    this.#hint = hint
    this.#entries = new Map(Object.entries(entries))
  }

  /** @throws SdeError `DUPLICATE_NAME`; InputError `INVALID_ARGUMENT` for an empty name. */
  register(name: string, entry: T): void {
    if (name === "") throw new InputError("INVALID_ARGUMENT", `The name of a ${this.#kind} is empty.`)
    if (this.#entries.has(name)) {
      throw new SdeError("DUPLICATE_NAME", `There is a ${this.#kind} named "${name}" already.`, {
        hint: "Register it under another name.",
      })
    }
    this.#entries.set(name, entry)
  }

  /**
   * The entry of a name, or the one that is given; null stands for `none`.
   *
   * @param obstacle - Why an entry is not defined here; undefined where it is.
   * @throws SdeError `UNKNOWN_NAME`, `UNDEFINED`
   */
  resolve(given: string | T | null, obstacle: (entry: T) => string | undefined): T {
    const entry = typeof given === "string" || given === null ? this.#get(given ?? "none") : given
    if (typeof entry.update !== "function") {
      throw new InputError(
        "INVALID_ARGUMENT",
        `The ${this.#kind} is ${describeValue(given)}, but must be a name or an object with an update function.`,
        { hint: `There are ${[...this.#entries.keys()].join(", ")}.` },
      )
    }
    const reason = obstacle(entry)
    if (reason === undefined) return entry
    const name = typeof given === "string" ? ` ${given}` : ""
    throw new SdeError("UNDEFINED", `The ${this.#kind}${name} is not defined here: ${reason}.`, {
      hint: this.#hint,
    })
  }

  #get(name: string): T {
    const entry = this.#entries.get(name)
    if (entry !== undefined) return entry
    throw new SdeError("UNKNOWN_NAME", `There is no ${this.#kind} named "${name}".`, {
      hint: `There are ${[...this.#entries.keys()].join(", ")}.`,
    })
  }
}
