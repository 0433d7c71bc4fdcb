import { describe, expect, test } from "vitest"
import { type JsonObject, parseJsonObject } from "../../src/config/json.ts"
import { DDIMScheduler } from "../../src/schedulers/ddim.ts"
import { DDPMScheduler } from "../../src/schedulers/ddpm.ts"
import { schedulerClass, schedulerClasses } from "../../src/schedulers/registry.ts"
import { ScoreSdeVeScheduler } from "../../src/schedulers/score-sde-ve.ts"
import files from "../fixtures/schedulers/config-files.json" with { type: "json" }

const onWarning = (message: string): void => expect.unreachable(message)

describe("files that Diffusers wrote", () => {
  test.each(files)("%s", text => {
    const json = parseJsonObject(text)
    const scheduler = schedulerClass(json._class_name).fromConfig(json, {}, { onWarning })
    expect(scheduler.toJsonString()).toBe(text)
  })

  test("defaults are written as Diffusers writes them", () => {
    for (const text of files) {
      const json = parseJsonObject(text)
      const fresh = schedulerClass(json._class_name).fromConfig({})
      const keys = Object.keys(parseJsonObject(fresh.toJsonString()))
      expect(keys).toEqual(Object.keys(json).filter(key => keys.includes(key)))
    }
    expect(files.slice(0, 1).concat(files.slice(2, 4))).toEqual(
      ["ScoreSdeVeScheduler", "ScoreSdeVpScheduler", "DDPMScheduler"].map(name =>
        schedulerClass(name).fromConfig({}).toJsonString(),
      ),
    )
  })
})

describe("schedulerClass", () => {
  test("knows each class by its name, and an old name", () => {
    expect(schedulerClass("VeSdeScheduler")).toBe(ScoreSdeVeScheduler)
    for (const [name, found] of schedulerClasses) {
      expect(schedulerClass(name)).toBe(found)
      if (name !== "VeSdeScheduler") expect(found.className).toBe(name)
    }
  })

  test.each(["GaussianDDPMScheduler", "PNDMScheduler", "toString", ["a", "b"], 3, null])(
    "%j is unknown",
    name => {
      expect(() => schedulerClass(name, "scheduler/scheduler_config.json")).toThrow(
        expect.objectContaining({
          code: "UNKNOWN_CLASS",
          message: expect.stringMatching(
            /^scheduler\/scheduler_config\.json names the scheduler class .*, which this library does not have\. It has ScoreSdeVeScheduler, /,
          ),
        }),
      )
    },
  )

  test("a file without a class", () => {
    expect(() => schedulerClass(undefined)).toThrow(
      /^scheduler_config\.json does not name a scheduler class\./,
    )
  })
})

describe("a change of scheduler", () => {
  const ddpmFile: JsonObject = parseJsonObject(
    '{"_class_name": "DDPMScheduler", "_diffusers_version": "0.1.1", "variance_type": "fixed_large", "skip_prk_steps": true, "beta_end": 1}',
  )

  test("loses nothing on the way to another class and back", () => {
    const ddpm = DDPMScheduler.fromConfig(ddpmFile, {}, { onWarning })
    const ddim = DDIMScheduler.fromConfig(ddpm.config, {}, { onWarning })
    expect(ddim.config).not.toHaveProperty("varianceType")
    expect(parseJsonObject(ddim.toJsonString())).toMatchObject({
      _class_name: "DDIMScheduler",
      variance_type: "fixed_large",
      skip_prk_steps: true,
      set_alpha_to_one: true,
      beta_end: 1n,
    })
    const back = DDPMScheduler.fromConfig(ddim.config, {}, { onWarning })
    expect(back.config).toEqual(ddpm.config)
    expect(back.toJsonString()).toBe(ddpm.toJsonString())
  })

  test("DDPM and DDIM name each other as compatible, by names that the registry knows", () => {
    for (const scheduler of [new DDPMScheduler(), new DDIMScheduler(), new ScoreSdeVeScheduler()]) {
      const classes = scheduler.compatibles.map(name => schedulerClass(name))
      expect(classes).toContain(scheduler.constructor)
      for (const other of classes) other.fromConfig(scheduler.config, {}, { onWarning })
    }
  })

  test("a file for another family gives one warning", () => {
    const warnings: string[] = []
    ScoreSdeVeScheduler.fromConfig(ddpmFile, {}, { onWarning: text => warnings.push(text) })
    expect(warnings).toEqual([
      "scheduler_config.json has keys that ScoreSdeVeScheduler does not know and ignores: variance_type, skip_prk_steps, beta_end.",
    ])
  })
})
