import type { Measurement } from "./figure.ts"
import { ncsnpp256 } from "./models.ts"
import { profiledRuns } from "./profiler.ts"

const name = "unet.ncsnpp-256.vs-conv-alone"
const runs = 7

/** Time of one evaluation of the network, divided by the time of its convolutions in the same evaluation. */
export const convolutions: Measurement = {
  figures: [{ name, unit: "×", goal: 1.2 }],
  async *run() {
    const profiled = await profiledRuns(ncsnpp256, runs)
    yield {
      name,
      values: profiled.map(({ seconds, kernels }) => {
        // Conv, FusedConv and ConvTranspose; with what ONNX Runtime has fused into them.
        const convolutions = kernels.filter(({ op }) => op.includes("Conv"))
        return seconds / convolutions.reduce((sum, kernel) => sum + kernel.seconds, 0)
      }),
    }
  },
}
