import { ScoreSdeVePipeline } from "../src/pipelines/score-sde-ve.ts"
import { TorchGenerator } from "../src/random/torch-generator.ts"
import { weightedSum } from "../src/sde/batch.ts"
import { ddimSampler } from "../src/sde/ddim.ts"
import { denoiserFromScore } from "../src/sde/denoiser.ts"
import { dpmpp2mSampler } from "../src/sde/dpm-solver.ts"
import { heunSampler } from "../src/sde/heun.ts"
import { edmSigmas } from "../src/sde/noise-schedules.ts"
import { odeSampler } from "../src/sde/ode-sampler.ts"
import type { Samples } from "../src/sde/sampler-run.ts"
import { elementCount, type Tensor } from "../src/tensor.ts"
import type { Figure, Measurement } from "./figure.ts"
import { emoji32 as model } from "./models.ts"
import { threads } from "./pairs.ts"

const pictures = 2
const referenceSteps = 2000
const evaluations = [9, 19, 39, 79]
const tolerances = [1e-1, 1e-2, 1e-3]

/** Solvers of the probability-flow ODE, with as many steps as a number of evaluations allows. */
const solvers = {
  heun: { sampler: heunSampler, steps: (nfe: number) => (nfe + 1) / 2 },
  "dpmpp-2m": { sampler: dpmpp2mSampler, steps: (nfe: number) => nfe },
  ddim: { sampler: ddimSampler, steps: (nfe: number) => nfe },
} as const

const named = Object.entries(solvers).flatMap(([solver, { sampler, steps }]) =>
  evaluations.map(nfe => ({ name: `error.${solver}.${nfe}`, sampler, steps: steps(nfe) })),
)
const adaptive = tolerances.map(rtol => ({ name: `error.rk45.rtol-${rtol}`, rtol }))

/**
 * How far the pictures of the model that ships are from those of 2000 steps from the same noise, by the evaluations of
 * the network that were spent on them: root mean square over a picture, in grey levels. All solve the probability-flow
 * ODE, on EDM's noise levels; samplers that draw noise on the way go to other pictures, however well they do it.
 */
export const fastSamplers: Measurement = {
  figures: [
    ...named.map(({ name }): Figure => ({ name, unit: "levels" })),
    ...adaptive.flatMap(({ name }): Figure[] => [
      { name, unit: "levels" },
      { name: `${name}.nfe`, unit: "evaluations" },
    ]),
  ],
  async *run(wanted) {
    await using pipe = await ScoreSdeVePipeline.fromPretrained(model.folder, { device: "cpu", threads })
    const { sde, score, shape } = pipe.scoreModel()
    const { sigmaMin, sigmaMax } = pipe.scheduler.config
    const denoiser = denoiserFromScore(sde, score)
    const latents = weightedSum([sigmaMax, new TorchGenerator(0).randn([pictures, ...shape])])
    const options = (steps: number) => ({
      denoiser,
      latents,
      sigmas: edmSigmas({ sigmaMin, sigmaMax, steps }),
    })

    const reference = await dpmpp2mSampler(options(referenceSteps))
    for (const { name, sampler, steps } of named) {
      if (wanted.has(name)) yield { name, values: errors(await sampler(options(steps)), reference) }
    }
    for (const { name, rtol } of adaptive) {
      if (!wanted.has(name) && !wanted.has(`${name}.nfe`)) continue
      const found = await odeSampler({ sde, score, latents, rtol, atol: rtol, denoise: true })
      yield { name, values: errors(found, reference) }
      yield { name: `${name}.nfe`, values: [found.nfe] }
    }
  },
}

/** For each picture; the model's pictures lie in [0, 1]. */
function errors({ x }: Samples, { x: reference }: Samples): number[] {
  const size = elementCount(x.shape.slice(1))
  return Array.from({ length: x.shape[0]! }, (_, b) => {
    const [found, expected] = [x, reference].map(({ data }: Tensor<"float32">) => grey(data, b * size, size))
    const squares = found!.reduce((sum, value, i) => sum + (value - expected![i]!) ** 2, 0)
    return Math.sqrt(squares / size)
  })
}

function grey(data: Float32Array, start: number, size: number): Float64Array {
  const values = data.subarray(start, start + size)
  return Float64Array.from(values, value => 255 * Math.min(Math.max(value, 0), 1))
}
