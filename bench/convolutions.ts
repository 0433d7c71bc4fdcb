import type { Measurement } from "./figure.ts"
import { ncsnpp256 as model } from "./models.ts"
import { underProfiler } from "./profiler.ts"

const name = "unet.ncsnpp-256.vs-conv-alone"

/**
 * Time of one evaluation of the network inside ONNX Runtime, divided by the time of its convolutions in the same
 * evaluation. The profiler slows down what is between the kernels, by about 2 % of the whole: the figure is a little
 * too high, but no drift of the machine's speed reaches it.
 */
export const convolutions: Measurement = {
  figures: [{ name, unit: "×", goal: 1.2 }],
  async *run() {
    const runs = await underProfiler(model, evaluate => evaluate(1 + model.pairs))
    const values = runs.slice(1).map(({ seconds, kernels }) => {
      // Conv, FusedConv and ConvTranspose, with what ONNX Runtime has fused into them.
      const convolutions = kernels.filter(({ op }) => op.includes("Conv"))
      return seconds / convolutions.reduce((sum, kernel) => sum + kernel.seconds, 0)
    })
    yield { name, values }
  },
}
