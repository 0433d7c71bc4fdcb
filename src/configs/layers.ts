import type { DefaultsName, ScoreSdeConfigName } from "./names.ts"
import type { ConfigChanges } from "./score-sde-config.ts"

// score_sde's configurations as what each adds to the ones below it, in the order of its folder `configs`.

const cifar10: ConfigChanges = {
  training: {
    continuous: true,
    batchSize: 128,
    nIters: 1300001,
    snapshotFreq: 50000,
    snapshotFreqForPreemption: 10000,
    snapshotSampling: true,
    logFreq: 50,
    evalFreq: 100,
    likelihoodWeighting: false,
    reduceMean: false,
  },
  sampling: { method: "pc", nStepsEach: 1, noiseRemoval: true, probabilityFlow: false, snr: 0.16 },
  eval: {
    beginCkpt: 9,
    endCkpt: 26,
    batchSize: 1024,
    numSamples: 50000,
    enableSampling: false,
    enableLoss: true,
    enableBpd: false,
    bpdDataset: "test",
  },
  data: {
    dataset: "CIFAR10",
    category: null,
    imageSize: 32,
    numChannels: 3,
    randomFlip: true,
    centered: false,
    uniformDequantization: false,
  },
  model: {
    sigmaMin: 0.01,
    sigmaMax: 50,
    numScales: 1000,
    betaMin: 0.1,
    betaMax: 20,
    dropout: 0.1,
    embeddingType: "fourier",
  },
  optim: { optimizer: "Adam", lr: 2e-4, beta1: 0.9, eps: 1e-8, weightDecay: 0, warmup: 5000, gradClip: 1 },
  seed: 42,
}

const celeba: ConfigChanges = {
  sampling: { snr: 0.17 },
  eval: { beginCkpt: 1, enableSampling: true },
  data: { dataset: "CELEBA", imageSize: 64 },
  model: { sigmaMax: 90 },
}

const lsun: ConfigChanges = {
  training: { batchSize: 64, nIters: 2400001, snapshotFreqForPreemption: 5000 },
  sampling: { snr: 0.075 },
  eval: { beginCkpt: 50, endCkpt: 96, batchSize: 512, enableSampling: true },
  data: { dataset: "LSUN", imageSize: 256 },
  model: { sigmaMax: 378, numScales: 2000, dropout: 0 },
}

const bedroom: ConfigChanges = { data: { category: "bedroom" } }
const church: ConfigChanges = { data: { category: "church_outdoor" } }
const celebahq: ConfigChanges = { data: { dataset: "CelebAHQ" } }
const ffhq: ConfigChanges = { data: { dataset: "FFHQ" } }

const ve: ConfigChanges = {
  training: { sde: "vesde" },
  sampling: { predictor: "reverse_diffusion", corrector: "langevin" },
  model: { scaleBySigma: true, emaRate: 0.999 },
}

const vp: ConfigChanges = {
  training: { sde: "vpsde", reduceMean: true },
  sampling: { predictor: "euler_maruyama", corrector: "none" },
  data: { centered: true },
  model: { scaleBySigma: false, emaRate: 0.9999 },
}

const subvp: ConfigChanges = { training: { sde: "subvpsde" } }

const discrete: ConfigChanges = { training: { continuous: false } }
const ancestral: ConfigChanges = { ...discrete, sampling: { predictor: "ancestral_sampling" } }

const unet: ConfigChanges = {
  model: {
    normalization: "GroupNorm",
    nonlinearity: "swish",
    nf: 128,
    chMult: [1, 2, 2, 2],
    attnResolutions: [16],
    resampWithConv: true,
    conditional: true,
  },
}

const ddpm: ConfigChanges = { model: { ...unet.model, name: "ddpm", numResBlocks: 2 } }

const ddpm256: ConfigChanges = {
  model: { ...ddpm.model, chMult: [1, 1, 2, 2, 4, 4], numScales: 1000 },
  optim: { lr: 2e-5 },
}

const ddpmpp: ConfigChanges = {
  model: {
    ...unet.model,
    name: "ncsnpp",
    numResBlocks: 4,
    fir: false,
    skipRescale: true,
    resblockType: "biggan",
    progressive: "none",
    progressiveInput: "none",
    progressiveCombine: "sum",
    embeddingType: "positional",
    fourierScale: 16,
    initScale: 0,
  },
}

/** NCSN++ with the number of the noise level as label … */
const ncsnpp: ConfigChanges = { model: { ...ddpmpp.model, fir: true, progressiveInput: "residual" } }

/** … and with σ. */
const ncsnppSigma: ConfigChanges = { model: { ...ncsnpp.model, embeddingType: "fourier" } }

const deep: ConfigChanges = { training: { nIters: 950001 }, model: { numResBlocks: 8 } }

const ncsnpp256: ConfigChanges = {
  model: {
    ...ncsnppSigma.model,
    chMult: [1, 1, 2, 2, 2, 2, 2],
    numResBlocks: 2,
    progressive: "output_skip",
    progressiveInput: "input_skip",
  },
}

const ncsnpp1024: ConfigChanges = {
  training: { batchSize: 8 },
  sampling: { snr: 0.15 },
  eval: { beginCkpt: 1, batchSize: 1024 },
  data: { imageSize: 1024 },
  model: {
    ...ncsnpp256.model,
    nf: 16,
    chMult: [1, 2, 4, 8, 16, 32, 32, 32],
    numResBlocks: 1,
    sigmaMax: 1348,
    emaRate: 0.9999,
  },
}

const ncsnv2: ConfigChanges = {
  training: { sde: "vesde", continuous: false },
  sampling: { predictor: "none", corrector: "ald" },
  model: {
    name: "ncsnv2_64",
    normalization: "InstanceNorm++",
    nonlinearity: "elu",
    nf: 128,
    interpolation: "bilinear",
    convention: "jax",
    scaleBySigma: true,
    emaRate: 0.999,
  },
  optim: { lr: 1e-4, warmup: 0, gradClip: -1 },
}

const ncsn: ConfigChanges = {
  ...ncsnv2,
  sampling: { ...ncsnv2.sampling, snr: 0.316, nStepsEach: 100 },
  model: { ...ncsnv2.model, name: "ncsn", scaleBySigma: false, sigmaMax: 1, numScales: 10 },
  optim: { ...ncsnv2.optim, lr: 1e-3 },
}

const notAveraged: ConfigChanges = { model: { emaRate: 0 } }

// NCSNv2's choices of noise levels and steps ("techniques" 1, 2 and 4), which depend on the data.
const cifar10Levels: ConfigChanges = {
  sampling: { snr: 0.176, nStepsEach: 5 },
  model: { sigmaMax: 50, numScales: 232 },
}
const celebaLevels: ConfigChanges = {
  sampling: { snr: 0.128, nStepsEach: 5 },
  model: { sigmaMax: 90, numScales: 500 },
}

/** What a user's own configuration can start from: defaults, which lack the model. */
export const defaultLayers: Readonly<Record<DefaultsName, readonly ConfigChanges[]>> = {
  default_cifar10_configs: [cifar10],
  default_celeba_configs: [cifar10, celeba],
  default_lsun_configs: [cifar10, lsun],
}

/** The layers of every configuration by its name in score_sde; later ones replace options of earlier ones. */
export const experimentLayers: Readonly<Record<ScoreSdeConfigName, readonly ConfigChanges[]>> = {
  "subvp/cifar10_ddpm_continuous": [cifar10, vp, subvp, ddpm],
  "subvp/cifar10_ddpmpp_continuous": [cifar10, vp, subvp, ddpmpp],
  "subvp/cifar10_ddpmpp_deep_continuous": [cifar10, vp, subvp, ddpmpp, deep],
  "subvp/cifar10_ncsnpp_continuous": [cifar10, vp, subvp, ncsnpp],
  "subvp/cifar10_ncsnpp_deep_continuous": [cifar10, vp, subvp, ncsnpp, deep],

  "ve/bedroom_ncsnpp_continuous": [cifar10, lsun, bedroom, ve, ncsnpp256],
  "ve/celeba_ncsnpp": [cifar10, celeba, ve, discrete, ncsnpp],
  "ve/celebahq_256_ncsnpp_continuous": [cifar10, lsun, celebahq, ve, ncsnpp256, { model: { sigmaMax: 348 } }],
  "ve/celebahq_ncsnpp_continuous": [cifar10, lsun, celebahq, ve, ncsnpp1024],
  "ve/church_ncsnpp_continuous": [cifar10, lsun, church, ve, ncsnpp256, { model: { sigmaMax: 380 } }],
  "ve/cifar10_ddpm": [cifar10, ve, discrete, ddpm],
  "ve/cifar10_ncsnpp": [cifar10, ve, discrete, ncsnpp],
  "ve/cifar10_ncsnpp_continuous": [cifar10, ve, ncsnppSigma],
  "ve/cifar10_ncsnpp_deep_continuous": [cifar10, ve, ncsnppSigma, deep],
  "ve/ffhq_256_ncsnpp_continuous": [cifar10, lsun, ffhq, ve, ncsnpp256, { model: { sigmaMax: 348 } }],
  "ve/ffhq_ncsnpp_continuous": [cifar10, lsun, ffhq, ve, ncsnpp1024, { training: { reduceMean: true } }],

  // The digits are NCSNv2's techniques that are added to NCSN; 5 is the averaging of weights.
  "ve/ncsn/celeba": [cifar10, celeba, ncsn, notAveraged],
  "ve/ncsn/celeba_124": [cifar10, celeba, ncsn, notAveraged, celebaLevels],
  "ve/ncsn/celeba_1245": [cifar10, celeba, ncsn, celebaLevels],
  "ve/ncsn/celeba_5": [cifar10, celeba, ncsn],
  "ve/ncsn/cifar10": [cifar10, ncsn, notAveraged],
  "ve/ncsn/cifar10_124": [cifar10, ncsn, notAveraged, cifar10Levels],
  "ve/ncsn/cifar10_1245": [cifar10, ncsn, cifar10Levels],
  "ve/ncsn/cifar10_5": [cifar10, ncsn],

  "ve/ncsnv2/bedroom": [
    cifar10,
    lsun,
    bedroom,
    ncsnv2,
    {
      training: { batchSize: 128 },
      sampling: { snr: 0.095, nStepsEach: 3 },
      data: { imageSize: 128 },
      model: { name: "ncsnv2_128", sigmaMax: 190, numScales: 1086, emaRate: 0.9999 },
    },
  ],
  "ve/ncsnv2/celeba": [cifar10, celeba, ncsnv2, celebaLevels],
  "ve/ncsnv2/cifar10": [cifar10, ncsnv2, cifar10Levels],

  "vp/cifar10_ddpmpp": [cifar10, vp, ancestral, ddpmpp],
  "vp/cifar10_ddpmpp_continuous": [cifar10, vp, ddpmpp],
  "vp/cifar10_ddpmpp_deep_continuous": [cifar10, vp, ddpmpp, deep],
  "vp/cifar10_ncsnpp": [cifar10, vp, discrete, ncsnpp, { sampling: { predictor: "reverse_diffusion" } }],
  "vp/cifar10_ncsnpp_continuous": [cifar10, vp, ncsnpp],
  "vp/cifar10_ncsnpp_deep_continuous": [cifar10, vp, ncsnpp, deep],
  "vp/ddpm/bedroom": [cifar10, lsun, bedroom, vp, ancestral, ddpm256],
  "vp/ddpm/celebahq": [cifar10, lsun, celebahq, vp, ancestral, ddpm256],
  "vp/ddpm/church": [cifar10, lsun, church, vp, ancestral, ddpm256],
  "vp/ddpm/cifar10": [cifar10, vp, ancestral, ddpm],
  "vp/ddpm/cifar10_continuous": [cifar10, vp, ddpm],
  "vp/ddpm/cifar10_unconditional": [cifar10, vp, ancestral, ddpm, { model: { conditional: false } }],
}
