import { mkdir, readdir, symlink, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { beforeAll, expect, test } from "vitest"
import { writeNpy } from "../../src/arrays/npy.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import { tensor } from "../../src/tensor.ts"
import { runProgram, scoreSde, sharedFolder } from "../cli/run-program.ts"
import { gradient } from "../image/pictures.ts"
import { asOneProgram, codeBlocks } from "./code-blocks.ts"

const folder = await sharedFolder()
const at = (name: string): string => join(folder, name)

beforeAll(async () => {
  await mkdir(at("models"))
  await symlink(resolve("models/ncsnpp-emoji-32"), at("models/ncsnpp-emoji-32"))
  for (const name of ["a", "b", "face"]) await gradient(32, 32, 3).save(at(`${name}.png`))
  await gradient(32, 32, 1).save(at("mask.png"))
  await writeFile(at("x.npy"), writeNpy(new PhiloxGenerator(0).randn([1, 3, 32, 32])))
  await writeFile(at("t.npy"), writeNpy(tensor("float32", [1], Float32Array.of(1))))
})

test("the README's code runs, with fewer steps", async () => {
  const [hub, ...local] = codeBlocks("README.md", "ts")
  expect(hub).toContain('fromPretrained("google/')
  expect(local).toHaveLength(4)
  const quick = local.map(block =>
    block
      .replaceAll(/numInferenceSteps: \d+/g, "numInferenceSteps: 2")
      .replace("numImagesPerInput: 3", "numImagesPerInput: 3, numInferenceSteps: 2")
      .replace("probes: 5", "probes: 2, rtol: 9, atol: 9")
      .replaceAll(/(\.encode\(pictures\[\d\]|0\.5\))\)/g, "$1, { rtol: 9, atol: 9 })"),
  )
  await writeFile(at("page.mts"), asOneProgram(quick, "console.log('done')"))
  const { code, stdout, stderr } = await runProgram(at("page.mts"), [], { cwd: folder })
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  expect(stdout).toBe("1/2\n2/2\n4 evaluations of the network on cpu\ndone\ndone\ndone\n")
  expect(await readdir(folder)).toContain("grid.png")
})

test("the README's commands are ones: those on the model that ships run, the others miss only their files", async () => {
  const commands = codeBlocks("README.md", "bash")
    .flatMap(block => block.trim().split("\n"))
    .filter(line => line.startsWith("npx score-sde "))
  expect(commands).toHaveLength(9)
  const cacheDir = at("cache")
  for (const command of commands) {
    const [, , ...words] = command.replace(/#.*/, "").trim().split(/\s+/)
    const local = words.includes("models/ncsnpp-emoji-32")
    const quick = words[0] === "inpaint" ? ["--steps", "2"] : []
    const env = { HF_HUB_CACHE: cacheDir }
    const { code, stderr } = await scoreSde([...words, ...quick], { cwd: folder, env })
    expect({ command, code, stderr }).toMatchObject({ code: local ? 0 : 1 })
    if (!local) expect(stderr).toMatch(/^error: .*(?:google\/.* is not in the cache|no such file)/)
  }
  expect(await readdir(folder)).toEqual(expect.arrayContaining(["filled.png", "y.npy"]))
})
