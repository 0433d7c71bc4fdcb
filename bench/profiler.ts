import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { UNet2DModel } from "../src/models/unet2d/model.ts"
import type { BenchModel } from "./models.ts"
import { evaluations } from "./networks.ts"
import { type Timed, threads } from "./pairs.ts"

/** The kernels of one run of a model, as ONNX Runtime's profiler saw them. */
export interface ProfiledRun {
  /** Seconds of the whole run, inside ONNX Runtime. */
  readonly seconds: number
  readonly kernels: readonly ProfiledKernel[]
}

export interface ProfiledKernel {
  readonly op: string
  readonly node: string
  readonly seconds: number
  /** Of its inputs and outputs. */
  readonly inputShapes: readonly (readonly number[])[]
  readonly outputShapes: readonly (readonly number[])[]
}

/** An event of the profile, times in microseconds. Those of one run lie within its "model_run". */
interface ProfileEvent {
  readonly cat: string
  readonly name: string
  readonly ts: number
  readonly dur: number
  readonly args?: {
    readonly op_name?: string
    readonly input_type_shape?: readonly Record<string, number[]>[]
    readonly output_type_shape?: readonly Record<string, number[]>[]
  }
}

/** Gives `body` the model's network under the profiler to evaluate, then what the profiler saw, run by run. */
export async function underProfiler(
  model: BenchModel,
  body: (evaluate: Timed) => Promise<unknown>,
): Promise<ProfiledRun[]> {
  const folder = await mkdtemp(join(tmpdir(), "score-sde-profile-"))
  try {
    {
      await using unet = await UNet2DModel.fromPretrained(join(model.folder, "unet"), {
        device: "cpu",
        threads,
        sessionOptions: { enableProfiling: true, profileFilePrefix: join(folder, "run") },
      })
      await body(evaluations(unet, model))
    }
    // The profile is written when the session ends.
    const [file] = await readdir(folder)
    return splitRuns(JSON.parse(await readFile(join(folder, file!), "utf8")))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function splitRuns(events: readonly ProfileEvent[]): ProfiledRun[] {
  const kernels = events.filter(event => event.cat === "Node" && event.name.endsWith("_kernel_time"))
  return events
    .filter(event => event.name === "model_run")
    .map(({ ts, dur }) => ({
      seconds: dur / 1e6,
      kernels: kernels.filter(kernel => kernel.ts >= ts && kernel.ts < ts + dur).map(profiledKernel),
    }))
}

function profiledKernel({ name, dur, args }: ProfileEvent): ProfiledKernel {
  const shapes = (typed: readonly Record<string, number[]>[] = []): number[][] =>
    typed.flatMap(value => Object.values(value))
  return {
    op: args?.op_name ?? "",
    node: name.replace(/_kernel_time$/, ""),
    seconds: dur / 1e6,
    inputShapes: shapes(args?.input_type_shape),
    outputShapes: shapes(args?.output_type_shape),
  }
}
