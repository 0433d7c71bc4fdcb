import type { ScoreSdeConfigName } from "./names.ts"

/** What the authors published about a configuration (Song et al. 2021, tables 2 and 3). */
export interface PublishedResults {
  /** Folder of the published checkpoints, where it is not called as the configuration. */
  readonly folder?: string
  /**
   * Numbers of the checkpoints that are known to exist. Of two, the smaller has the best FID of all that were kept, and
   * the larger is the last.
   */
  readonly checkpoints?: readonly number[]
  /** Fréchet inception distance of pictures from the predictor–corrector sampler. */
  readonly fid?: number
  readonly inceptionScore?: number
  /** Fréchet inception distance of pictures from the probability-flow ODE. */
  readonly fidOde?: number
  /** Bits per dimension of the test pictures. */
  readonly bitsPerDim?: number
}

/** By configuration; those that are missing were published without checkpoints. */
export const publishedResults: Readonly<Partial<Record<ScoreSdeConfigName, PublishedResults>>> = {
  "ve/cifar10_ncsnpp": { fid: 2.45, inceptionScore: 9.73 },
  "ve/cifar10_ncsnpp_continuous": { checkpoints: [24], fid: 2.38, inceptionScore: 9.83 },
  "ve/cifar10_ncsnpp_deep_continuous": { checkpoints: [12], fid: 2.2, inceptionScore: 9.89 },
  "vp/ddpm/cifar10": {
    folder: "vp/cifar10_ddpm",
    checkpoints: [14, 26],
    fid: 3.24,
    fidOde: 3.37,
    bitsPerDim: 3.28,
  },
  "vp/ddpm/cifar10_continuous": { folder: "vp/cifar10_ddpm_continuous", fidOde: 3.69, bitsPerDim: 3.21 },
  "vp/cifar10_ddpmpp": { fid: 2.78, inceptionScore: 9.64 },
  "vp/cifar10_ddpmpp_continuous": {
    checkpoints: [8],
    fid: 2.55,
    inceptionScore: 9.58,
    fidOde: 3.93,
    bitsPerDim: 3.16,
  },
  "vp/cifar10_ddpmpp_deep_continuous": {
    checkpoints: [8],
    fid: 2.41,
    inceptionScore: 9.68,
    fidOde: 3.08,
    bitsPerDim: 3.13,
  },
  "subvp/cifar10_ddpm_continuous": { checkpoints: [26], fidOde: 3.56, bitsPerDim: 3.05 },
  "subvp/cifar10_ddpmpp_continuous": {
    checkpoints: [26],
    fid: 2.61,
    inceptionScore: 9.56,
    fidOde: 3.16,
    bitsPerDim: 3.02,
  },
  "subvp/cifar10_ddpmpp_deep_continuous": {
    checkpoints: [18],
    fid: 2.41,
    inceptionScore: 9.57,
    fidOde: 2.92,
    bitsPerDim: 2.99,
  },
  "ve/bedroom_ncsnpp_continuous": { checkpoints: [127] },
  "ve/church_ncsnpp_continuous": { checkpoints: [126] },
  "ve/ffhq_256_ncsnpp_continuous": { checkpoints: [48] },
  "ve/celebahq_256_ncsnpp_continuous": { checkpoints: [48] },
  "ve/ffhq_ncsnpp_continuous": { folder: "ve/ffhq_1024_ncsnpp_continuous", checkpoints: [60] },
}
