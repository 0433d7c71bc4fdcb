// Starts ort-worker.ts when the library runs from its sources: loaders of TypeScript don't reach worker threads by themselves.
import { register } from "tsx/esm/api"

register()
await import("./ort-worker.ts")
