import fc from "fast-check"
import { unzipSync, zipSync } from "fflate"
import { describe, expect, test } from "vitest"
import { ScoreSdeError } from "../../../src/errors.ts"
import { foldParameters } from "../../../src/graph/optimize/fold-parameters.ts"
import { scoreNetworkGraph } from "../../../src/models/score-network.ts"
import {
  openScoreCheckpoint,
  type ScoreCheckpointOptions,
} from "../../../src/models/score-sde/open-checkpoint.ts"
import { type ByteSource, bytesSource } from "../../../src/platform/byte-source.ts"
import { modelOf, runModel } from "../../graph/run-graph.ts"
import { failure } from "../../weights/fixtures.ts"
import { hashInput } from "./case.ts"
import { checkpointBytes, checkpointConfig, checkpointOutputs, relativeError } from "./checkpoint-files.ts"

function openBytes(bytes: Uint8Array, config = checkpointConfig(), options: ScoreCheckpointOptions = {}) {
  return openScoreCheckpoint(bytesSource("checkpoint", bytes), config, options)
}

function openFixture(name: string, config = checkpointConfig(), options: ScoreCheckpointOptions = {}) {
  return openBytes(checkpointBytes(name), config, options)
}

const files = ["checkpoint_8.pth", "checkpoint_8", "checkpoint_9"]

describe.each(files)("%s", file => {
  test.each([
    ["averaged", false],
    ["raw", true],
  ] as const)("gives the network's output with the %s weights", async (kind, rawWeights) => {
    const { weights, ...found } = await openFixture(file, undefined, { rawWeights })
    const pytorch = file.endsWith(".pth")
    expect(found).toEqual({
      framework: pytorch ? "pytorch" : "flax",
      averaged: !rawWeights,
      step: file === "checkpoint_9" ? 450001 : 400001,
    })
    const model = await modelOf(foldParameters(scoreNetworkGraph(checkpointConfig())), weights)
    const { labels, [kind]: expected } = checkpointOutputs
    const { out_sample: output } = await runModel(model, {
      sample: { dtype: "float32", shape: [2, 3, 8, 8], data: hashInput(2 * 3 * 64) },
      timestep: { dtype: "float32", shape: [2], data: Float32Array.from(labels) },
    })
    expect(relativeError(output!.data as Float32Array, expected)).toBeLessThan(1e-5)
    await weights.close()
  })

  test("is read by range", async () => {
    const bytes = checkpointBytes(file)
    const whole = bytesSource(file, bytes)
    let longest = 0
    let closed = 0
    const source: ByteSource = {
      ...whole,
      read: (offset, length, signal) => {
        longest = Math.max(longest, length)
        return whole.read(offset, length, signal)
      },
      close: async () => void closed++,
    }
    const { weights } = await openScoreCheckpoint(source, checkpointConfig())
    for (const { name } of weights.tensors.values()) await weights.read(name)
    expect(longest).toBeLessThan(bytes.length / 2)
    await weights.close()
    expect(closed).toBe(1)
  })

  test("of another configuration names the first tensors that differ", async () => {
    const wider = await failure(openFixture(file, checkpointConfig({ model: { nf: 8 } })))
    expect(wider.code).toBe("TENSOR_MISSHAPEN")
    const [name, found, expected] = file.endsWith(".pth")
      ? ["all_modules.0.W", "[4]", "[8]"]
      : ["GaussianFourierProjection_0/W", "[4]", "[8]"]
    expect(wider.message).toContain(`"${name}" is ${found}, not ${expected}`)
    expect(wider.message).toMatch(/and \d+ more.* another configuration/)
    const deeper = await failure(openFixture(file, checkpointConfig({ model: { num_res_blocks: 2 } })))
    expect(deeper.code).toBe("TENSOR_MISSING")
    expect(deeper.message).toMatch(file.endsWith(".pth") ? /"all_modules\./ : /"ResnetBlockBigGANpp_/)
    const plain = checkpointConfig({ model: { conditional: false } })
    const superfluous = await failure(openFixture(file, plain))
    expect(superfluous.code).toMatch(/^TENSOR_/)
  })

  test("cut anywhere is a typed error", async () => {
    const bytes = checkpointBytes(file)
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), async length => {
        const error = await openBytes(bytes.slice(0, length)).then(
          () => undefined,
          (reason: unknown) => reason,
        )
        expect(error).toBeInstanceOf(ScoreSdeError)
      }),
      { numRuns: 20 },
    )
  })

  test("with any byte changed never fails otherwise", async () => {
    const bytes = checkpointBytes(file)
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(255), async (at, value) => {
        const changed = bytes.with(at, value)
        const error = await openBytes(changed).then(
          ({ weights }) => weights.close(),
          (reason: unknown) => reason,
        )
        if (error !== undefined) expect(error).toBeInstanceOf(ScoreSdeError)
      }),
      { numRuns: 25 },
    )
  })
})

describe("PyTorch checkpoints", () => {
  test("of other noise levels don't fit, although their tensors do", async () => {
    const error = await failure(
      openFixture("checkpoint_8.pth", checkpointConfig({ model: { sigma_max: 378 } })),
    )
    expect(error).toMatchObject({ code: "CONFIG_MISMATCH" })
    expect(error.message).toContain("20 from 50.00 to 0.01000, but the configuration has 20 from 378 to 0.01")
    const more = await failure(
      openFixture("checkpoint_8.pth", checkpointConfig({ model: { num_scales: 21 } })),
    )
    expect(more).toMatchObject({ code: "CONFIG_MISMATCH" })
  })

  /** The fixture with a byte pattern of its pickle replaced by another of the same length. */
  function edited(from: string, to: string): Uint8Array {
    const entries = unzipSync(checkpointBytes("checkpoint_8.pth"))
    const [name] = Object.keys(entries).filter(entry => entry.endsWith("data.pkl"))
    const pickle = Buffer.from(entries[name!]!).toString("latin1")
    expect(pickle).toContain(from)
    entries[name!] = Buffer.from(pickle.replaceAll(from, to), "latin1")
    return zipSync(entries, { level: 0 })
  }

  test("without averaged weights say so, and give the raw ones", async () => {
    const bytes = edited("shadow_params", "shadow-params")
    const error = await failure(openBytes(bytes))
    expect(error).toMatchObject({ code: "TENSOR_MISSING" })
    expect(error.message).toMatch(/holds no averaged weights\. .*rawWeights/)
    const { averaged } = await openBytes(bytes, undefined, { rawWeights: true })
    expect(averaged).toBe(false)
  })

  test("with names of nothing that a checkpoint needs are refused", async () => {
    expect(await failure(openBytes(edited("_codecs\nencode", "posix\nsystem1")))).toMatchObject({
      code: "UNSAFE_PICKLE",
    })
  })
})

describe("Flax checkpoints", () => {
  const map = (...entries: readonly (readonly number[])[]) => [0x80 + entries.length, ...entries.flat()]
  const text = (value: string) => [0xa0 + value.length, ...Buffer.from(value)]
  const array = (shape: readonly number[], type: string, bytes: readonly number[]) => {
    const triple = [0x93, 0x90 + shape.length, ...shape, ...text(type), 0xc4, bytes.length, ...bytes]
    return [0xc7, triple.length, 1, ...triple]
  }
  const params = (value: readonly number[]) => Uint8Array.from(map([...text("params_ema"), ...value]))

  test.each([
    ["a map that promises more than there is", [0xdf, 0xff, 0xff, 0xff, 0xff], "TRUNCATED"],
    ["a text longer than the file", [0x81, 0xd9, 0xff], "TRUNCATED"],
    ["a name of a megabyte", [0x81, 0xdb, 0, 0x10, 0, 0, ...new Uint8Array(2 ** 20)], "MALFORMED"],
    ["a name that is a number", [0x81, 1, 1], "MALFORMED"],
    ["a name that is not UTF-8", [0x81, 0xa1, 0xff, 1], "MALFORMED"],
    ["a byte that begins nothing", [0x81, 0xa1, 0x61, 0xc1], "MALFORMED"],
    ["something after the end", [...map([...text("step"), 1]), 0], "MALFORMED"],
    ["maps in maps without end", Array.from({ length: 200 }, () => [0x81, 0xa1, 0x61]).flat(), "MALFORMED"],
    ["lists in lists without end", [0x81, 0xa1, 0x61, ...new Uint8Array(200).fill(0x91)], "MALFORMED"],
    [
      "more values than any checkpoint",
      [0xde, 0, 1, 0xa1, 0x61, 0xdd, 0, 4, 0, 0, ...new Uint8Array(2 ** 18)],
      "TOO_LARGE",
    ],
    ["no tree of parameters", params([1]), "TENSOR_MISSING"],
    ["an array that is no triple", params([0xc7, 1, 1, 0x90]), "MALFORMED"],
    ["an array with too few bytes", params(array([2], "float32", [0, 0, 0, 0])), "MALFORMED"],
    ["an array of a negative size", params(array([0xff], "float32", [])), "MALFORMED"],
    [
      "an array that overlaps what follows",
      params([0xc7, 9, 1, ...array([1], "uint8", [0]).slice(3), 0, 0]),
      "MALFORMED",
    ],
  ])("with %s", async (_, bytes, code) => {
    expect(await failure(openBytes(Uint8Array.from(bytes)))).toMatchObject({ code })
  })

  test("of another network", async () => {
    const bytes = params(map([...text("conv"), ...array([1], "float32", [0, 0, 0, 0])]))
    const { code, message } = await failure(openBytes(bytes))
    expect(code).toBe("TENSOR_MISSING")
    expect(message).toContain('lacks "GaussianFourierProjection_0/W", "Dense_0/kernel"')
  })
})

test("a file of neither form", async () => {
  const error = await failure(openBytes(Buffer.from("hello")))
  expect(error).toMatchObject({ code: "FORMAT_UNKNOWN" })
  expect(error.message).toContain("checkpoint_N.pth")
  expect(await failure(openBytes(new Uint8Array()))).toMatchObject({ code: "FORMAT_UNKNOWN" })
})
