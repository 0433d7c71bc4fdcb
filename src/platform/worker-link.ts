/** A two-way channel of messages; buffers in `transfer` are moved, not copied. */
export interface MessageChannelEnd {
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void
  /** Sets the one handler of incoming messages. */
  listen(handler: (message: unknown) => void): void
}

/** A worker thread as the thread that started it sees it. */
export interface WorkerLink extends MessageChannelEnd {
  /** Sets the handler that is called once, when the worker has ended for whatever reason. */
  listenForEnd(handler: (cause: unknown) => void): void
  /** Whether the process must stay alive for the worker's sake. */
  keepAlive(needed: boolean): void
  /** Ends the worker and frees its memory. */
  end(): Promise<void>
}
