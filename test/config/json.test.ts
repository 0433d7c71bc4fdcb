import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { formatJson, type JsonValue, parseJson, parseJsonObject } from "../../src/config/json.ts"
import { formatPythonFloat } from "../../src/config/python-float.ts"
import python from "../fixtures/config/python-json.json" with { type: "json" }

describe("floats", () => {
  test.each(python.floats)("%s is printed as Python prints it", text => {
    expect(formatPythonFloat(Number(text))).toBe(text)
  })

  test("every float reads back as itself", () => {
    fc.assert(fc.property(fc.double({ noNaN: true }), x => Object.is(Number(formatPythonFloat(x)), x)))
  })
})

describe("documents", () => {
  test.each(python.documents)("%s is rewritten as Python rewrites it", (source, rewritten) => {
    expect(formatJson(parseJson(source!))).toBe(rewritten)
  })

  test.each(python.broken)("%s is refused, as in Python", text => {
    expect(() => parseJson(text)).toThrow(expect.objectContaining({ code: "INVALID_JSON" }))
  })

  test("ints and floats stay apart", () => {
    expect(parseJson("[1348, 1348.0, 1e-05, 12345678901234567890]")).toEqual([
      1348n,
      1348,
      1e-5,
      12345678901234567890n,
    ])
  })

  test("what is written is read back unchanged", () => {
    const { json } = fc.letrec<{ json: JsonValue }>(tie => ({
      json: fc.oneof(
        { maxDepth: 4 },
        fc.constant(null),
        fc.boolean(),
        fc.bigInt(),
        fc.double({ noNaN: true }),
        fc.string({ unit: "binary" }),
        fc.array(tie("json"), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie("json"), { maxKeys: 4, noNullPrototype: true }),
      ),
    }))
    fc.assert(
      fc.property(json, value => {
        expect(parseJson(formatJson(value))).toEqual(value)
      }),
    )
  })

  test("a key named __proto__ is only a key", () => {
    const value = parseJsonObject('{"__proto__": {"polluted": true}}')
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(Object.hasOwn(value, "__proto__")).toBe(true)
  })
})

describe("hostile files", () => {
  test("deep nesting is refused before it is parsed", () => {
    const deep = "[".repeat(1_000_000)
    expect(() => parseJson(deep, { file: "config.json" })).toThrow(
      expect.objectContaining({
        code: "TOO_LARGE",
        message: "config.json nests lists and objects more than 64 deep.",
      }),
    )
    expect(parseJson(`${"[".repeat(64)}${"]".repeat(64)}`)).toBeInstanceOf(Array)
  })

  test("long files are refused", () => {
    expect(() => parseJson(" ".repeat(11), { file: "config.json", maxLength: 10 })).toThrow(
      expect.objectContaining({
        code: "TOO_LARGE",
        message: "config.json has 11 bytes; at most 10 are read.",
      }),
    )
  })

  test("numbers of absurd length are refused", () => {
    expect(() => parseJson("1".repeat(100_000))).toThrow(expect.objectContaining({ code: "INVALID_JSON" }))
  })

  test("unterminated strings of backslashes take linear time", () => {
    expect(() => parseJson(`"${'\\"'.repeat(1_000_000)}`)).toThrow(
      expect.objectContaining({ code: "INVALID_JSON" }),
    )
  })

  test("bytes that are not UTF-8 and a byte order mark are refused, as in Python", () => {
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0xef, 0xbb, 0xbf, 0x7b, 0x7d],
    ]) {
      expect(() => parseJson(Uint8Array.from(bytes), { file: "config.json" })).toThrow(
        /config\.json is not valid JSON/,
      )
    }
  })

  test("a file must hold an object", () => {
    expect(() => parseJsonObject("[1, 2.5]", { file: "config.json" })).toThrow(
      "config.json holds [1,2.5], but must hold a JSON object.",
    )
  })
})
