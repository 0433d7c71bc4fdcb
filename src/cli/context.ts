import { Interrupt } from "./interrupt.ts"
import { Terminal } from "./terminal.ts"

/** The options that belong to the program rather than to a command. */
export interface GeneralOptions {
  readonly quiet?: boolean
  readonly verbose?: boolean
}

/** What a command works with besides its own arguments. */
export interface CommandContext {
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
  readonly terminal: Terminal
}

/** Runs a command with Ctrl-C turned into an abort. */
export async function inContext(
  { quiet = false }: GeneralOptions,
  work: (context: CommandContext) => Promise<void>,
): Promise<void> {
  const terminal = new Terminal({ quiet })
  using interrupt = new Interrupt(() => {
    terminal.endProgress()
    terminal.note("Stopping after this evaluation of the network; Ctrl-C again ends at once.")
  })
  try {
    await work({ signal: interrupt.signal, terminal })
  } finally {
    terminal.endProgress()
  }
}
