/** What to do about a checkpoint that doesn't fit its configuration. */
export const configHint =
  "Is it of another configuration? score-sde configs lists them by name; one of your own can be a JSON file."

/**
 * Whether a tensor can only be the fixed frequencies of Fourier features, which checkpoints have also where the
 * network isn't told the noise level.
 */
export function isFrequencies(name: string, shape: readonly number[]): boolean {
  return /(?:^|[./])W$/.test(name) && shape.length === 1
}
