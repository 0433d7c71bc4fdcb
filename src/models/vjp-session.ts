import type { Session } from "../runtime/session.ts"
import type { Tensor } from "../tensor.ts"
import { toDType } from "./to-dtype.ts"

/** A network's output together with vᵀ·∂output/∂sample, which is shaped like the sample. */
export interface VjpOutput {
  readonly output: Tensor<"float32">
  readonly vjp: Tensor<"float32">
}

/** Runs a session of a graph that `vjpGraph` made. */
export async function runVjp(
  session: Session,
  feeds: Readonly<Record<string, Tensor>>,
  cotangent: Tensor<"float32">,
  signal: AbortSignal | undefined,
): Promise<VjpOutput> {
  const seed = session.inputs.find(({ name }) => !(name in feeds))!
  const given = { ...feeds, [seed.name]: toDType(cotangent, seed.dtype) }
  const results = await session.run(given, signal ? { signal } : {})
  const [output, vjp] = session.outputs.map(({ name }) => toDType(results[name]!, "float32"))
  return { output, vjp } as VjpOutput
}
