import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { checkpointFolder } from "../models/score-sde/checkpoint-files.ts"
import { captured } from "./captured.ts"
import { sharedFolder } from "./run-program.ts"

const folder = await sharedFolder()
const at = (name: string): string => join(folder, name)
const fixture = (name: string): string => fileURLToPath(new URL(name, checkpointFolder))
const mine = fixture("config.json")

describe("score-sde export --from-score-sde", () => {
  it("writes a model that info knows and sample samples", async () => {
    const args = ["export", "--from-score-sde", fixture("checkpoint_8.pth"), "--config", mine, at("model")]
    const { code, stdout, stderr } = await captured(...args)
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${at("model")}\n` })
    expect(stderr).toContain("Writing unet/model.onnx")
    expect((await readdir(at("model"))).sort()).toEqual([
      "README.md",
      "model_index.json",
      "scheduler",
      "unet",
    ])
    expect(await readFile(at("model/README.md"), "utf8")).toMatch(
      /# ncsnpp for test\n.*400001.*running average of the training \(EMA\)/s,
    )

    const info = await captured("info", at("model"))
    expect(info.code).toBe(0)
    expect(info.stdout).toMatch(/^network +ncsnpp, 2 levels of 4, 8 channels; fourier time embedding$/m)
    expect(info.stdout).toMatch(
      /^origin +checkpoint_8\.pth: a configuration of its own, step 400001, averaged weights$/m,
    )
    expect(info.stdout).toMatch(
      /^noise +vesde, σ from 0\.01 to 50, 20 levels, continuous\n +reverse_diffusion with langevin \(snr 0\.12, 2 a step\)$/m,
    )
    expect(info.stdout).not.toContain("not supported")
    const { origin } = JSON.parse((await captured("info", at("model"), "--json")).stdout)
    expect(origin).toMatchObject({
      checkpoint: "checkpoint_8.pth",
      config: null,
      step: 400001,
      weights: "ema",
    })

    const out = at("pictures")
    const sampled = await captured("sample", at("model"), "--steps", "2", "--seed", "1", "--out", out)
    expect(sampled).toMatchObject({ code: 0 })
    expect(await readdir(out)).toEqual(["0000.png"])
  })

  it("takes the raw weights, of a Flax checkpoint too", async () => {
    const args = ["--from-score-sde", fixture("checkpoint_8"), "--config", mine, "--raw-weights"]
    expect(await captured("export", ...args, at("raw"))).toMatchObject({ code: 0 })
    expect((await captured("info", at("raw"))).stdout).toContain("weights as last trained")
  })

  it("names what differs where the configuration is another, and writes nothing", async () => {
    const args = ["--from-score-sde", fixture("checkpoint_8"), "--config", "ve/cifar10_ncsnpp_continuous"]
    const { code, stderr } = await captured("export", ...args, at("other"))
    expect(code).toBe(1)
    expect(stderr).toMatch(/lacks "ResnetBlockBigGANpp_4\/Conv_2\/kernel", .*\n?.*another configuration/)
    await mkdir(at("empty"))
    await writeFile(at("noise"), "no checkpoint")
    const noise = ["export", "--from-score-sde", at("noise"), "--config", mine, at("empty")]
    expect(await captured(...noise)).toMatchObject({ code: 1 })
    expect(await readdir(folder)).not.toContain("other")
    expect(await readdir(at("empty"))).toEqual([])
  })

  it.each([
    [["--from-score-sde", "c"], "needs --config"],
    [["--from-score-sde", "c", "--config", mine], "missing required argument 'dir'"],
    [["--from-score-sde", "c", "--config", mine, "a", "b"], "too many arguments"],
    [
      ["--from-score-sde", "c", "--config", mine, "a", "--revision", "main"],
      "--revision is for models of the Hub",
    ],
    [["--config", mine, "a", "b"], "are for --from-score-sde"],
    [["--from-score-sde", "c", "--config", "ve/cifar", "a"], "score-sde configs lists the names"],
  ])("called wrongly: %s", async (args, message) => {
    const { code, stderr } = await captured("export", ...args)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })
})

describe("score-sde configs", () => {
  it("lists all, with what was published", async () => {
    const { code, stdout } = await captured("configs")
    expect(code).toBe(0)
    expect(stdout.trimEnd().split("\n")).toHaveLength(39)
    expect(stdout).toMatch(
      /^ve\/cifar10_ncsnpp_deep_continuous +ncsnpp +32 px {2}FID 2\.2, inception score 9\.89$/m,
    )
  })

  it("prints one as JSON that can be given back", async () => {
    const { stdout } = await captured("configs", "vp/cifar10_ddpmpp_continuous")
    await writeFile(at("same.json"), stdout)
    expect((await captured("configs", at("same.json"))).stdout).toBe(stdout)
    expect(JSON.parse(stdout).training.sde).toBe("vpsde")
  })
})
