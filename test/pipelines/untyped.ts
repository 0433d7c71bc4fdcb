/** What a caller without types gives. */
export const untyped = (value: unknown): never => value as never
