/** What `fetch` lets us do on this platform. */
export interface HttpAbilities {
  readonly redirect: "manual" | "follow"
  /** Whether a range request may carry `If-Range`. */
  readonly conditionalRange: boolean
}
