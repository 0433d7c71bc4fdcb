import { abilities } from "../abilities.ts"
import { forgetModels } from "../commands.ts"
import { busy, model } from "../state.ts"
import { bytes, deviceName } from "../text.ts"

/** What this device can do. */
export function DevicePanel() {
  const found = abilities.value
  return (
    <section class="device" aria-labelledby="device-title">
      <div class="section-head">
        <h2 id="device-title">This device</h2>
      </div>
      {found && (
        <dl>
          <div>
            <dt>WebGPU</dt>
            <dd>
              {found.webgpu ?? "no adapter: models run on WebAssembly"}
              {found.float16 && ", with float16"}
            </dd>
          </div>
          <div>
            <dt>WebAssembly</dt>
            <dd>
              {found.threads === 1 ? "1 thread" : `${found.threads} threads`}
              {!found.isolated && ": the site is not cross-origin isolated, which more would need"}
            </dd>
          </div>
          <div>
            <dt>Memory</dt>
            <dd>
              {found.memory
                ? `${found.memory} GB${found.memory >= 8 ? " or more" : ""}`
                : "the browser does not tell"}
            </dd>
          </div>
          <div>
            <dt>Room for models</dt>
            <dd>
              {found.room === undefined ? "the browser does not tell" : bytes(found.room)}
              {found.stored !== undefined && found.stored > 0 && `, besides ${bytes(found.stored)} stored`}
            </dd>
            <dd>
              <button
                type="button"
                class="quiet"
                disabled={busy.value || !found.stored}
                onClick={() => void forgetModels()}
              >
                Delete stored models
              </button>
            </dd>
          </div>
          {model.value?.failed.map(({ device, reason }) => (
            <div key={device}>
              <dt>Why not {deviceName(device)}</dt>
              <dd class="reason">{reason}</dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  )
}
