/** Names of a network's inputs and output, as Optimum and ONNX exports of Diffusers have them. */
export const networkNames = {
  sample: "sample",
  timestep: "timestep",
  classLabels: "class_labels",
  output: "out_sample",
} as const
