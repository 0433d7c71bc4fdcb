import type { HttpAbilities } from "../http-abilities.ts"

/** Redirects are followed by hand: their headers name the file's hash, and the token must not go along. */
export const httpAbilities: HttpAbilities = { redirect: "manual", conditionalRange: true }
