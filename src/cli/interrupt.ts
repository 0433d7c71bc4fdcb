/** Turns the first Ctrl-C into an abort between steps; the second ends the process as Ctrl-C does without us. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController()
  readonly #listener = (): void => {
    console.error("\nStopping after this step (Ctrl-C again to end at once) …")
    this.#controller.abort(new Error("interrupted"))
    this[Symbol.dispose]()
  }

  constructor() {
    process.on("SIGINT", this.#listener)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  [Symbol.dispose](): void {
    process.off("SIGINT", this.#listener)
  }
}
