import { InvalidArgumentError } from "commander"
import { describe, expect, it } from "vitest"
import { deviceNames, fileName, seedNumber, wholeNumber } from "../../src/cli/option-values.ts"
import { picturePaths } from "../../src/cli/picture-output.ts"
import { captured } from "./captured.ts"

describe("values of options", () => {
  it("are whole numbers from a least one up", () => {
    expect(wholeNumber(1)("16")).toBe(16)
    for (const text of ["0", "-1", "1.5", "1e3", "", "x", "99999999999999999999"]) {
      expect(() => wholeNumber(1)(text), text).toThrow(InvalidArgumentError)
    }
  })

  it("are seeds of up to 64 bits, exact ones", () => {
    expect(seedNumber("-1")).toBe(-1)
    expect(seedNumber("18446744073709551615")).toBe(2n ** 64n - 1n)
    for (const text of ["18446744073709551616", "-9223372036854775809", "1.5", "seed", ""]) {
      expect(() => seedNumber(text), text).toThrow(InvalidArgumentError)
    }
  })

  it("are devices in the order to try them", () => {
    expect(deviceNames("auto")).toEqual(["auto"])
    expect(deviceNames("cuda, cpu")).toEqual(["cuda", "cpu"])
    expect(() => deviceNames("gpu")).toThrow('no device "gpu"; the names are auto, cpu, cuda')
  })

  it("are names of files with the right ending", () => {
    expect(fileName(".npy", ".npz")("a/X.NPZ")).toBe("a/X.NPZ")
    expect(() => fileName(".npy", ".npz")("x.png")).toThrow("must end in .npy or .npz")
  })
})

describe("where pictures go", () => {
  const paths = (options: object, count: number) => {
    const { picture, ...rest } = picturePaths({ out: "out", ...options }, count)
    return { first: picture?.(0), last: picture?.(count - 1), ...rest }
  }

  it("is a folder with numbered files", () => {
    expect(paths({ strip: true }, 16)).toMatchObject({
      first: "out/0000.png",
      last: "out/0015.png",
      strip: "out/strip.png",
    })
    expect(paths({}, 100_000)).toMatchObject({ first: "out/00000.png", last: "out/99999.png" })
  })

  it("is a file for one picture or a grid", () => {
    expect(paths({ out: "a/face.jpg", strip: true }, 1)).toMatchObject({
      first: "a/face.jpg",
      strip: "a/face-strip.png",
    })
    expect(paths({ out: "grid.PNG", grid: true }, 16)).toMatchObject({ first: undefined, grid: "grid.PNG" })
    expect(paths({ grid: true }, 16)).toMatchObject({
      first: undefined,
      grid: "out/grid.png",
      folder: undefined,
    })
  })

  it("is not one file for several pictures, nor a kind of file that can't be written", () => {
    expect(() => paths({ out: "face.png" }, 2)).toThrow(
      "2 pictures don't go into the file face.png. Add --grid",
    )
    expect(() => paths({ out: "face.gif" }, 1)).toThrow(
      "face.gif can't be written: pictures are .png, .jpg or .webp.",
    )
  })
})

describe("the command line", () => {
  const commands = ["sample", "inpaint", "colorize", "upscale", "info", "export", "run"]

  it.each([[[]], ...commands.map(name => [[name]])])(
    "has a help for %j that fits and ends with examples and exit codes",
    async words => {
      const { code, stdout, stderr } = await captured(...words, "--help")
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      expect(stdout).toContain(`\nExamples:\n  score-sde ${words[0] ?? "sample"} `)
      expect(stdout).toContain("Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 interrupted (Ctrl-C).\n")
      expect(Math.max(...stdout.split("\n").map(line => line.length))).toBeLessThanOrEqual(100)
    },
  )

  it.each([
    [["sampl", "m"], "unknown command 'sampl'\n(Did you mean sample?)"],
    [["sample"], "missing required argument 'model'"],
    [["sample", "m", "--stpes", "4"], "unknown option '--stpes'\n(Did you mean --steps?)"],
    [["sample", "m", "--steps", "0"], "must be a whole number from 1 up"],
    [["sample", "m", "--dtype", "fp64"], "Allowed choices are fp32, fp16"],
    [["sample", "m", "--out-npz", "x.npy"], "must end in .npz"],
    [["export", "m"], "missing required argument 'dir'"],
    [["run", "m", "--timestep", "1", "--out", "y.npy"], "required option '--sample <file>' not specified"],
  ])("answers %j with 2 and the way to the help", async (words, message) => {
    const { code, stdout, stderr } = await captured(...words)
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    expect(stderr).toContain(message)
    expect(stderr).toMatch(/Run score-sde (?:\w+ )?--help to see/)
  })
})
