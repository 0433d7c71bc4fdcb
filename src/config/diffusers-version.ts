/** The version of Diffusers whose file formats we write, and hence what `_diffusers_version` says. */
export const DIFFUSERS_VERSION = "0.40.0"
