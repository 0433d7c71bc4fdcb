/** Random access to the bytes of a file, a blob or memory. */
export interface ByteSource {
  /** What errors call it: a file name, a URL. */
  readonly name: string
  /** Bytes in all. */
  readonly size: number
  /**
   * Reads exactly `length` bytes from `offset`. The bytes may be a view of memory that the source owns: copy them
   * before changing them.
   *
   * @throws FileError `FILE_TRUNCATED` when the range ends beyond the source.
   * @throws AbortError when `signal` is aborted.
   */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>
  /** Frees what the source holds; reading afterwards is an error. Calling it twice is harmless. */
  close(): Promise<void>
}
