/**
 * Hears that a GPU device had no memory for something. WebGPU hands out a buffer all the same, whose contents then mean
 * nothing, and ONNX Runtime goes on with it.
 */
export class GpuMemoryWatch {
  readonly #watched = new WeakSet<GPUDevice>()
  #fault: Error | undefined

  watch(gpu: GPUDevice): void {
    if (this.#watched.has(gpu)) return
    this.#watched.add(gpu)
    gpu.addEventListener("uncapturederror", ({ error }) => {
      if (error instanceof GPUOutOfMemoryError) this.#fault ??= new Error(`out of memory: ${error.message}`)
    })
  }

  /** What was heard since this was last asked. */
  take(): Error | undefined {
    const fault = this.#fault
    this.#fault = undefined
    return fault
  }
}
