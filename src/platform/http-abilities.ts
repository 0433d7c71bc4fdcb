/** What `fetch` lets us do on this platform. */
export interface HttpAbilities {
  readonly redirect: "manual" | "follow"
  /** How `fetch` is to use a cache of its own; absent where it has none. */
  readonly cache?: RequestCache
  /** Whether a range request may carry `If-Range`. */
  readonly conditionalRange: boolean
}
