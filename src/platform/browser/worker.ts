import type { WorkerLink } from "../worker-link.ts"

/** Starts the thread in which sessions live; `undefined` where the platform has no such thread: they run inline. */
export const startOrtWorker: (() => WorkerLink) | undefined = undefined
