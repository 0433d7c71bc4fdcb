// What a visitor can do about an error, where the library's hint is for those who write programs.

const steps: Readonly<Record<string, string>> = {
  REPO_NOT_FOUND:
    "Check the id. A private model can be downloaded with your account and opened as a folder from disk.",
  GATED: "Accept them there, download the model with your account, and open it as a folder from disk.",
  UNAUTHORIZED: "Download the model with an account that may read it, and open it as a folder from disk.",
  OFFLINE: "Check the connection and start again; the model that ships with the page works without one.",
  DOWNLOAD_FAILED: "Start again in a while: what has come already is kept.",
  INTEGRITY: "Nothing was kept. Start again; a proxy in between may be at fault.",
  NO_SPACE: "Delete stored models, below on this page, or choose a smaller one.",
  LOCAL_NOT_FOUND: "Choose the folder that holds the model’s model_index.json.",
  ENTRY_NOT_FOUND: "Choose a model in Diffusers’ layout, with a model_index.json at its top.",
  UNKNOWN_PIPELINE: "Choose a model of the score-based families: VE, VP, DDPM or DDIM.",
  DEVICE_UNAVAILABLE: "Choose another device.",
  DEVICE_LOST:
    "Start again: the model is loaded anew. If it happens often, choose WebAssembly or fewer pictures.",
  OUT_OF_MEMORY: "Make fewer pictures at once, or choose another device.",
  WORKER_DIED: "Start again: the model is loaded anew. Fewer pictures at once need less memory.",
}

/** The next step for an error of the library with this code; nothing where the library's own hint serves. */
export function nextStep(code: string): string | undefined {
  return steps[code]
}
