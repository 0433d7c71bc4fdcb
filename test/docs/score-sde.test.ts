import { copyFile, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { parseJsonObject } from "../../src/config/json.ts"
import { readScoreSdeConfig } from "../../src/configs/configs.ts"
import { runProgram, sharedFolder } from "../cli/run-program.ts"
import { checkpointFolder } from "../models/score-sde/checkpoint-files.ts"
import { asProgram, codeBlocks } from "./code-blocks.ts"

const folder = await sharedFolder()

/** What each block of docs/score-sde.md prints. */
const printed = [
  /^pytorch 400001 ema\n$/,
  /^12 evaluations\n$/,
  /^ncsnpp vesde 0\.16\n2\.2\n39 configurations\nve\/.*\n$/s,
  /^spread of the samples: 0\.2[2-5] 0\.2[5-8] 0\.2[3-6]\nbits\/dim: (?<bits>[\d.]+)\n$/,
  /^$/,
]

test("the code of docs/score-sde.md runs", async () => {
  await copyFile(new URL("checkpoint_8.pth", checkpointFolder), join(folder, "checkpoint_8.pth"))
  await copyFile(new URL("config.json", checkpointFolder), join(folder, "birds.json"))
  const blocks = codeBlocks("docs/score-sde.md", "ts")
  expect(blocks).toHaveLength(printed.length)
  const results: string[] = []
  for (const [i, block] of blocks.entries()) {
    const program = join(folder, `block-${i}.mts`)
    await writeFile(program, asProgram(block))
    const { code, stdout, stderr } = await runProgram(program, [], { cwd: folder })
    expect({ block: i, code, stderr }).toEqual({ block: i, code: 0, stderr: "" })
    expect(stdout).toMatch(printed[i]!)
    results.push(stdout)
  }
  expect(await readdir(folder)).toContain("bird.png")
  expect(await readFile(join(folder, "birds/README.md"), "utf8")).toContain("400001")

  // Independent N(0, ¼²) at ¼: −log₂ of the density of each number, of which a level of 8 bits is 1/128.
  const bits = Number(printed[3]!.exec(results[3]!)!.groups!.bits)
  const expected = (0.5 * Math.log(2 * Math.PI) + Math.log(0.25) + 0.5) / Math.LN2 + 7
  expect(Math.abs(bits - expected)).toBeLessThan(0.03)
})

test("the configuration of docs/score-sde.md is one", () => {
  const [json] = codeBlocks("docs/score-sde.md", "json")
  expect(readScoreSdeConfig(parseJsonObject(json!)).model).toMatchObject({ name: "ncsnpp", sigmaMax: 40 })
})
