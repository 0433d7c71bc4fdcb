/** Turns the first Ctrl-C into an abort; the second ends the process, as any does that doesn't listen. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController()
  readonly #listener: () => void

  /** @param onInterrupt - Called at the first Ctrl-C, before anyone hears of the abort. */
  constructor(onInterrupt: () => void) {
    this.#listener = () => {
      this[Symbol.dispose]()
      onInterrupt()
      this.#controller.abort(new Error("Ctrl-C"))
    }
    process.on("SIGINT", this.#listener)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  [Symbol.dispose](): void {
    process.off("SIGINT", this.#listener)
  }
}
