import fc from "fast-check"
import { unzipSync, zipSync } from "fflate"
import { describe, expect, it } from "vitest"
import { type ByteSource, bytesSource } from "../../src/platform/byte-source.ts"
import { openWeights } from "../../src/weights/open-weights.ts"
import { openTorchFile, torchWeights } from "../../src/weights/torch-file.ts"
import { TorchTensor } from "../../src/weights/torch-tensor.ts"
import type { PickleKey, PickleValue } from "../../src/weights/unpickler.ts"
import { damaged } from "./damaged.ts"
import { expectedTensors, failure, fixture, fixtureBytes, shownValues } from "./fixtures.ts"

const forms = [
  "state.bin",
  "state-protocol-4.bin",
  "state-deflated.bin",
  "state-zip64.bin",
  "state-legacy.bin",
]

/** The entries of state.bin under other names or with other content. */
function rezip(change: (entries: Map<string, Uint8Array>) => void): ByteSource {
  const entries = new Map<string, Uint8Array>(Object.entries(unzipSync(fixtureBytes("state.bin"))))
  change(entries)
  return bytesSource("changed.bin", zipSync(Object.fromEntries(entries), { level: 0 }))
}

function dictionary(value: PickleValue | undefined): Map<PickleKey, PickleValue> {
  if (value instanceof Map) return value
  throw new Error("It is no dictionary.")
}

function tensor(value: PickleValue | undefined): TorchTensor {
  if (value instanceof TorchTensor) return value
  throw new Error("It is no tensor.")
}

describe.each(forms)("%s", form => {
  it("holds what PyTorch saved", async () => {
    const file = await openWeights(fixture(form))
    expect(file).toMatchObject({ format: "torch", metadata: {}, name: form })
    expect([...file.tensors.keys()]).toEqual([...expectedTensors.keys()])
    for (const [name, expected] of expectedTensors) {
      const read = await file.read(name)
      expect([name, read.dtype, read.shape]).toEqual([name, expected.dtype, expected.shape])
      if (read.dtype === "float16" || read.dtype === "bfloat16") {
        const values = new Float32Array(read.data.length)
        await file.readFloat32Into(name, values)
        expect([...values]).toEqual(expected.values)
      } else {
        expect([name, shownValues(read)]).toEqual([name, expected.values])
      }
    }
    await file.close()
  })
})

describe("PyTorch files", () => {
  it("are read by the range that a tensor needs", async () => {
    const whole = fixture("state.bin")
    let bytesRead = 0
    const counted: ByteSource = {
      name: whole.name,
      size: whole.size,
      read: (offset, length, signal) => {
        bytesRead += length
        return whole.read(offset, length, signal)
      },
      close: () => whole.close(),
    }
    const file = await openWeights(counted)
    bytesRead = 0
    await file.read("row")
    const headerBytes = 30
    expect(bytesRead).toBe(headerBytes + 4 * 4)
    await file.read("column")
    expect(bytesRead).toBe(headerBytes + 4 * 4 + 9 * 4)
  })

  it("of big-endian machines are turned round", async () => {
    const source = rezip(entries => {
      entries.set("state/byteorder", new TextEncoder().encode("big"))
      const { data } = { data: entries.get("state/data/0")! }
      entries.set("state/data/0", new Uint8Array(new Float32Array(data.slice().buffer).map(swap).buffer))
    })
    const file = await openWeights(source)
    expect(shownValues(await file.read("float32"))).toEqual(expectedTensors.get("float32")?.values)
  })

  it("give their storages to several tensors", async () => {
    const { root } = await openTorchFile(fixture("state.bin"))
    const state = dictionary(root)
    expect(tensor(state.get("row")).storage).toBe(tensor(state.get("square")).storage)
  })

  it.each(["score-sde.pth", "score-sde-legacy.pth"])("of score_sde can be walked: %s", async name => {
    const file = await openTorchFile(fixture(name))
    const root = dictionary(file.root)
    expect(root.get("step")).toBe(2 ** 40)

    const model = torchWeights(file, root.get("model") ?? null)
    expect([...model.tensors.keys()]).toEqual(["module.sigmas", "module.all_modules.0.W"])
    expect(await model.read("module.sigmas")).toEqual({
      dtype: "float64",
      shape: [2],
      data: Float64Array.of(50, 0.01),
    })

    const ema = dictionary(root.get("ema"))
    const [shadow] = ema.get("shadow_params") as PickleValue[]
    expect(await file.readTensor(tensor(shadow))).toMatchObject({ data: Float32Array.of(1.5, 2.5, 3.5, 4.5) })
    expect([ema.get("decay"), ema.get("num_updates")]).toEqual([0.999, 7])

    const [group] = dictionary(root.get("optimizer")).get("param_groups") as PickleValue[]
    expect(dictionary(group).get("lr")).toBe(2e-4)
    const parameter = dictionary(dictionary(dictionary(root.get("optimizer")).get("state")).get(0))
    expect((await file.readTensor(tensor(parameter.get("step")))).data).toEqual(Float32Array.of(1))
  })

  it("that hold no state dict say what they hold", async () => {
    const { code, message } = await failure(openWeights(fixture("score-sde.pth")))
    expect([code, message]).toEqual(["UNSUPPORTED", expect.stringContaining("optimizer, model, ema, step")])
  })

  it("are closed when they are refused", async () => {
    let closed = 0
    const source = { ...fixture("score-sde.pth"), close: async () => void closed++ }
    await failure(openWeights(source))
    expect(closed).toBe(1)
  })
})

function swap(value: number): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setFloat32(0, value, true)
  return view.getFloat32(0, false)
}

describe("a hostile or damaged PyTorch file", () => {
  it("whose zip is cut anywhere is refused", async () => {
    const whole = fixtureBytes("state.bin")
    for (let length = 0; length < whole.length; length += 61) {
      const { code } = await failure(openWeights(bytesSource("cut.bin", whole.slice(0, length))))
      expect([length, code]).toEqual([length, "TRUNCATED"])
    }
  })

  it("in the legacy form that is cut anywhere is refused", async () => {
    const whole = fixtureBytes("state-legacy.bin")
    for (let length = 0; length < whole.length; length += 61) {
      const { code } = await failure(openWeights(bytesSource("cut.bin", whole.slice(0, length))))
      expect([length, code]).toEqual([length, "TRUNCATED"])
    }
  })

  it.each(["../state/data/0", "/state/data/0", "state/../../data/0", "C:\\data", "state\\..\\..\\x"])(
    "with the entry %s is refused",
    async name => {
      const { code, message } = await failure(
        openWeights(rezip(entries => void entries.set(name, new Uint8Array(1)))),
      )
      expect([code, message]).toEqual(["UNSAFE_PATH", expect.stringContaining(name)])
    },
  )

  it.each<[string, (entries: Map<string, Uint8Array>) => void, string]>([
    ["without a storage", entries => void entries.delete("state/data/0"), "MALFORMED"],
    ["with a short storage", entries => void entries.set("state/data/0", new Uint8Array(8)), "MALFORMED"],
    ["without a pickle", entries => void entries.delete("state/data.pkl"), "FORMAT_UNKNOWN"],
    ["with two pickles", entries => void entries.set("other/data.pkl", new Uint8Array(8)), "FORMAT_UNKNOWN"],
    [
      "with a byte order of its own",
      entries => void entries.set("state/byteorder", new Uint8Array(4)),
      "MALFORMED",
    ],
    [
      "with a pickle beyond the bound",
      entries => void entries.set("state/data.pkl", new Uint8Array(2 ** 26 + 1)),
      "TOO_LARGE",
    ],
  ])("%s is refused", async (_, change, code) => {
    expect(await failure(openWeights(rezip(change)))).toMatchObject({ code })
  })

  it("whose compressed entry claims another size is refused", async () => {
    const bytes = fixtureBytes("state-deflated.bin")
    const directory = bytes.findIndex(
      (_, i) => bytes[i] === 0x50 && bytes[i + 1] === 0x4b && bytes[i + 2] === 1 && bytes[i + 3] === 2,
    )
    for (const size of [2 ** 31, 3]) {
      const changed = bytes.slice()
      new DataView(changed.buffer).setUint32(directory + 24, size, true)
      expect((await failure(openWeights(bytesSource("bomb.bin", changed)))).code).toBe("MALFORMED")
    }
  })

  it.each(["state.bin", "state-deflated.bin", "state-legacy.bin"])(
    "made by damage to %s gives a typed error or tensors",
    async name => {
      await fc.assert(
        fc.asyncProperty(damaged(fixtureBytes(name)), async bytes => {
          try {
            const file = await openWeights(bytesSource(name, bytes))
            for (const tensor of file.tensors.keys()) await file.read(tensor)
          } catch (error) {
            expect((error as Error).name).toBe("WeightsError")
          }
        }),
        { numRuns: 300 },
      )
    },
  )
})
