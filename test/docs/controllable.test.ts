import { mkdir, readFile, symlink, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { beforeAll, expect, test } from "vitest"
import { Image } from "../../src/image/image.ts"
import { cifar10Classifier } from "../../src/models/wideresnet/network.ts"
import { runProgram, scoreSde, sharedFolder } from "../cli/run-program.ts"
import { gradient } from "../image/pictures.ts"
import { classifierSafetensors } from "../models/score-sde/classifier-file.ts"
import { asOneProgram, codeBlocks } from "./code-blocks.ts"

// The code of the page runs as it stands, but with two steps.

const folder = await sharedFolder()
const page = "docs/controllable.md"

beforeAll(async () => {
  await mkdir(join(folder, "models"))
  await symlink(resolve("models/ncsnpp-emoji-32"), join(folder, "models/ncsnpp-emoji-32"))
  const exp = join(folder, "exp/classifier/wideresnet_noise_conditional")
  await mkdir(exp, { recursive: true })
  const small = { ...cifar10Classifier, blocksPerGroup: 1, channelMultiplier: 1 }
  await writeFile(join(exp, "classifier.safetensors"), await classifierSafetensors(small))
  for (const [name, channels] of [
    ["face", 3],
    ["grey", 1],
    ["mask", 1],
  ] as const) {
    await gradient(32, 32, channels).save(join(folder, `${name}.png`))
  }
  await gradient(8, 8, 3).save(join(folder, "small.png"))
})

test("its code", async () => {
  const code = codeBlocks(page, "ts").map(block =>
    block.replace(/numInferenceSteps: \d+/g, "numInferenceSteps: 2"),
  )
  expect(code).toHaveLength(7)
  expect(code.slice(1).every(block => block.includes("numInferenceSteps: 2"))).toBe(true)
  const program = [asOneProgram(code, "console.log(images.length, images[0].width)"), "await pipe.dispose()"]
  await writeFile(join(folder, "page.mts"), program.join("\n"))
  const { code: exit, stdout, stderr } = await runProgram(join(folder, "page.mts"), [], { cwd: folder })
  expect(stderr).toBe("")
  expect(exit).toBe(0)
  expect(stdout).toBe("4 32\n4 32\n1 32\n1 32\n2 32\n2 32\n")
  expect(await Image.read(join(folder, "filled.png"))).toMatchObject({ width: 32, height: 32 })
})

test("its commands", async () => {
  const lines = codeBlocks(page, "bash").flatMap(block => block.trim().split("\n"))
  expect(lines).toHaveLength(4)
  for (const line of lines) {
    const [npx, name, ...args] = line.replace(/--steps \d+/, "--steps 2").split(" ")
    expect([npx, name]).toEqual(["npx", "score-sde"])
    const { code, stdout, stderr } = await scoreSde(args, { cwd: folder })
    expect({ code, stdout }, stderr).toEqual({
      code: 0,
      stdout: `${args.at(-1)}\n`,
    })
  }
})

test("its pictures are there", async () => {
  const text = await readFile(page, "utf8")
  const names = [...text.matchAll(/!\[[^\]]*\]\((.*?)\)/g)].map(([, path]) => path!)
  expect(names.length).toBeGreaterThan(1)
  for (const name of names) expect((await Image.read(join("docs", name))).width).toBeGreaterThan(300)
})
