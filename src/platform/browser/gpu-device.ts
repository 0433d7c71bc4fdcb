// What ONNX Runtime 1.30 asks for where it makes the device itself; its kernels look at what they find.
const features = [
  "chromium-experimental-subgroup-matrix",
  "timestamp-query",
  "shader-f16",
  "subgroups",
  "subgroup-size-control",
]
const limits = [
  "maxBindGroups",
  "maxStorageBuffersPerShaderStage",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
] as const satisfies readonly (keyof GPUSupportedLimits)[]

/**
 * A GPU device that ONNX Runtime can compute on. One of our own can be watched from its beginning on, and be replaced
 * when it is lost: the one that ONNX Runtime makes for itself is made once.
 */
export async function requestGpuDevice(): Promise<GPUDevice> {
  // Pages that aren't secure have none.
  if (!navigator.gpu) throw new Error("The browser offers no WebGPU here.")
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" })
  if (!adapter) throw new Error("The browser has no adapter for WebGPU.")
  return adapter.requestDevice({
    requiredFeatures: features.filter(name => adapter.features.has(name)) as GPUFeatureName[],
    requiredLimits: Object.fromEntries(limits.map(name => [name, adapter.limits[name]])),
  })
}
