import type { HttpAbilities } from "../http-abilities.ts"

/**
 * A page can't see a redirect, but the browser itself drops `Authorization` when one leaves the origin. `If-Range`
 * would need a preflight that file servers behind the Hub need not answer; the ETag is compared afterwards instead.
 */
export const httpAbilities: HttpAbilities = {
  redirect: "follow",
  // The browser would keep a second copy, and ask for other ranges than we do.
  cache: "no-store",
  conditionalRange: false,
}
