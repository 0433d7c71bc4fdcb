import type { DeviceAttempt, ResolvedDevice } from "./device.ts"
import { RuntimeError } from "./errors.ts"

// The last two are Dawn's words for sizes beyond the device's limits.
const outOfMemory =
  /bad[_ ]alloc|failed to allocate|out of memory|allocation failed|OUT_OF_MEMORY|too large for the implementation|exceeds the max buffer size|larger than the maximum (storage|uniform) buffer binding size/i
// The second half: Dawn's words, in browsers, for what is asked when the process that drives the GPU has ended.
const deviceLost =
  /device (is |was )?lost|DEVICE_LOST|DEVICE_REMOVED|external Instance reference no longer exists/i
const noHalfFloats = /requires f16 but the device does not support it/
const notOnnx = /protobuf parsing failed|does not have a graph|no graph was found|model data pointer is null/i
const noBackend = /backend not found|no available backend found/i
const unknownOperator =
  /No Op registered for (?<op>\S+) with|Fatal error: (?<qualified>[^\s(]+)\(-?\d+\) is not a registered|Could not find an implementation for (?<typed>[^\s(]+)\(/
const brokenModel =
  /invalid model|ShapeInferenceError|Type Error|Unrecognized attribute|Unsupported model IR|guarantee\*? support|External (data|initializer)/i

const deviceHints: Readonly<Record<ResolvedDevice, string>> = {
  cpu: "Reinstall the package onnxruntime-node, or use the device wasm.",
  cuda: "CUDA needs Linux on x64, a reinstall of onnxruntime-node with ONNXRUNTIME_NODE_INSTALL=cuda12, CUDA 12 and cuDNN 9.",
  webgpu: "WebGPU needs a graphics driver with Vulkan, Metal or Direct3D 12; else use another device.",
  dml: "DirectML is for Windows; use another device.",
  coreml: "Core ML is for macOS on Apple silicon; use another device.",
  wasm: "Reinstall the package onnxruntime-web. In a browser its .wasm file has to be served, see the wasmPaths option, and a Content-Security-Policy has to allow 'wasm-unsafe-eval'.",
}

/** Whether nothing but another model could help where `device` fails: there is no plainer device than these. */
function isPlain(device: ResolvedDevice): boolean {
  return device === "cpu" || device === "wasm"
}

/** Whether a model that failed like this on one device, as it was loaded or later, is worth trying on the next. */
export function mayFallBack(error: unknown): error is RuntimeError {
  if (!(error instanceof RuntimeError)) return false
  const { code, device } = error
  if (code === "OUT_OF_MEMORY") return device !== undefined && !isPlain(device)
  return code === "DEVICE_UNAVAILABLE" || code === "DEVICE_LOST"
}

/** The error for an ONNX Runtime package, or its native binary, that could not be loaded. */
export function missingOrt(cause: unknown, device: ResolvedDevice): RuntimeError {
  return unavailable(device, `ONNX Runtime could not be loaded: ${firstLine(textOf(cause))}`, cause)
}

/** The error for bytes that are no ONNX model. */
export function unreadableModel(cause: unknown, device?: ResolvedDevice): RuntimeError {
  return new RuntimeError("MODEL_INVALID", "The model is not a readable ONNX file.", {
    cause,
    ...(device !== undefined && { device }),
    hint: "It may have been cut short, or be of another format.",
  })
}

/** The error for what ONNX Runtime threw while it made a session on `device`. */
export function loadError(cause: unknown, device: ResolvedDevice): RuntimeError {
  const text = textOf(cause)
  const options = { cause, device }
  if (notOnnx.test(text)) return unreadableModel(cause, device)
  const { op, qualified, typed } = unknownOperator.exec(text)?.groups ?? {}
  const operator = op ?? qualified ?? (isPlain(device) ? typed : undefined)
  if (operator !== undefined) {
    return new RuntimeError(
      "MODEL_INVALID",
      `The model uses the operator ${operator}, which ONNX Runtime does not have.`,
      { ...options, hint: `It said: ${tidy(text)}` },
    )
  }
  if (outOfMemory.test(text)) return memoryError(options, "load the model")
  if (noHalfFloats.test(text)) return halfFloatError(options)
  if (deviceLost.test(text)) return deviceLostError(cause, device)
  if (isPlain(device) ? !noBackend.test(text) : brokenModel.test(text)) {
    return new RuntimeError("MODEL_INVALID", `ONNX Runtime refused the model: ${tidy(text)}`, options)
  }
  return unavailable(device, tidy(text), cause)
}

/** The error for what ONNX Runtime threw while it ran a model on `device`. */
export function runError(cause: unknown, device: ResolvedDevice): RuntimeError {
  const text = textOf(cause)
  const options = { cause, device }
  if (outOfMemory.test(text)) return memoryError(options, "run the model")
  if (noHalfFloats.test(text)) return halfFloatError(options)
  if (deviceLost.test(text)) return deviceLostError(cause, device)
  return new RuntimeError("RUN_FAILED", `The model failed on ${device}: ${tidy(text)}`, options)
}

/** The error for a device that has gone away. */
export function deviceLostError(cause: unknown, device: ResolvedDevice): RuntimeError {
  return new RuntimeError("DEVICE_LOST", `The ${device} device went away.`, {
    cause,
    device,
    hint: "Load the model again, on another device if this happens often; a smaller batch needs less of it.",
  })
}

/** The error for what is asked of a device that went away before, where ONNX Runtime gets no other. */
export function lostForGood(cause: RuntimeError, device: ResolvedDevice): RuntimeError {
  return new RuntimeError("DEVICE_LOST", `The ${device} device went away, and there is no other to be had.`, {
    cause,
    device,
    hint: "Start anew, in a browser by reloading the page; or leave out worker: false and ort, since the default worker can be replaced.",
  })
}

/** The error for a list of devices none of which took the model. */
export function noDevice(attempts: readonly DeviceAttempt[]): RuntimeError {
  const [first] = attempts
  if (first && attempts.length === 1) {
    const { code, message, hint, cause } = first.error
    return new RuntimeError(code, withoutHint(message, hint), {
      device: first.device,
      attempts,
      cause,
      ...(hint !== undefined && { hint }),
    })
  }
  const reasons = attempts.map(({ error }) => `\n- ${error.message}`).join("")
  return new RuntimeError("DEVICE_UNAVAILABLE", `No device could take the model.${reasons}`, { attempts })
}

/** The part of a message that its error was made with. */
export function withoutHint(message: string, hint: string | undefined): string {
  return hint !== undefined && message.endsWith(` ${hint}`) ? message.slice(0, -hint.length - 1) : message
}

function unavailable(device: ResolvedDevice, reason: string, cause: unknown): RuntimeError {
  const message = `The device ${device} is not available: ${reason}`
  return new RuntimeError("DEVICE_UNAVAILABLE", message, { device, cause, hint: deviceHints[device] })
}

function memoryError(options: { cause: unknown; device: ResolvedDevice }, doing: string): RuntimeError {
  return new RuntimeError("OUT_OF_MEMORY", `There was not enough memory on ${options.device} to ${doing}.`, {
    ...options,
    hint: "Use a smaller batch, or dispose of models that are no longer needed.",
  })
}

function halfFloatError(options: { cause: unknown; device: ResolvedDevice }): RuntimeError {
  return new RuntimeError("DEVICE_UNAVAILABLE", `The device ${options.device} has no 16-bit floats.`, {
    ...options,
    hint: "Use dtype fp32, or another device.",
  })
}

// WebAssembly throws plain numbers now and then.
function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]!.replace(/(?<![.!?])$/, ".")
}

// What stands around ONNX Runtime's own words: C++ source places with their signatures, and wrappers' prefixes.
const wrappers = [
  /Load model from .+? failed:/,
  /(?:Can't create a session|failed to call OrtRun\(\))\. ERROR_CODE: \d+, ERROR_MESSAGE: /,
  /no available backend found\. ERR: /,
  /\[ONNXRuntimeError\] : \d+ : \w+ : /,
  /Non-zero status code returned while running /,
  /Name:'' /,
  /\S+\.(?:cc|h|cpp):\d+ (?:[^()]*\((?:[^()]|\([^()]*\))*\)(?:::<lambda\(\)>)? )?/,
]

function tidy(text: string): string {
  let words = text
  for (const wrapper of wrappers) words = words.replace(new RegExp(wrapper, "g"), "")
  return firstLine(words.trim())
}
