import type { WorkerLink } from "../worker-link.ts"

/** What to do where the worker doesn't start. */
export const workerHint: string =
  "The file ort-worker.js has to be served beside the library's others, from the page's own origin and with a Content-Security-Policy that lets it run as a worker. Or load models with { worker: false }."

/** Starts the worker that `ort-worker.ts` serves; `undefined` where the platform has no such thread. */
export const startOrtWorker: (() => WorkerLink) | undefined = () => {
  // Bundlers look for exactly this expression, and make the file part of the app.
  const worker = new Worker(new URL("./ort-worker.js", import.meta.url), {
    type: "module",
    name: "score-sde",
  })
  const ended = new Promise<unknown>(resolve => {
    // An error that nothing in the worker caught, or a program that didn't load: an answer may never come.
    worker.addEventListener("error", event => {
      event.preventDefault()
      worker.terminate()
      resolve(new Error(event.message || "The browser could not load the worker's program."))
    })
  })
  return {
    post: (message, transfer = []) => worker.postMessage(message, [...transfer]),
    listen: handler => worker.addEventListener("message", event => handler(event.data)),
    listenForEnd: handler => void ended.then(handler),
    keepAlive: () => {},
    end: async () => worker.terminate(),
  }
}
