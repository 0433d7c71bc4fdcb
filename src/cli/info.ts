import type { ModelDType } from "../models/network-session.ts"
import type { CommandContext } from "./context.ts"
import { loadingOptions, type RepoArguments } from "./model-options.ts"
import { describeModel } from "./model-report.ts"
import { formatReport } from "./report-text.ts"

interface InfoArguments extends RepoArguments {
  readonly dtype: ModelDType
  readonly json?: boolean
}

/** `score-sde info`: what a model is made of and what it needs. */
export async function info(model: string, options: InfoArguments, context: CommandContext): Promise<void> {
  const report = await describeModel(model, loadingOptions(options, context))
  console.log(options.json ? JSON.stringify(report, undefined, 2) : formatReport(report))
}
