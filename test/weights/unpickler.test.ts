import { describe, expect, it } from "vitest"
import { bytesSource } from "../../src/platform/byte-source.ts"
import { WeightsError } from "../../src/weights/errors.ts"
import { openTorchFile } from "../../src/weights/torch-file.ts"
import { torchNames } from "../../src/weights/torch-names.ts"
import { type PickleValue, unpickle } from "../../src/weights/unpickler.ts"
import { failure, fixtureBytes } from "./fixtures.ts"

/** Text stands for its characters as bytes. */
function pickle(...parts: (string | number | readonly number[])[]): Uint8Array<ArrayBuffer> {
  const pieces = parts.map(part => {
    if (typeof part === "string") return Buffer.from(part, "latin1")
    return Buffer.from(typeof part === "number" ? [part] : part)
  })
  return new Uint8Array(Buffer.concat(pieces))
}

function load(...parts: Parameters<typeof pickle>): PickleValue {
  return unpickle("x.bin", pickle(...parts), torchNames(new Map())).value
}

function refusal(...parts: Parameters<typeof pickle>): { code: string; message: string } {
  try {
    load(...parts)
  } catch (error) {
    if (error instanceof WeightsError) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error("It was not refused.")
}

const text = (value: string) => ["X", [value.length, 0, 0, 0], value] as const
const global = (module: string, name: string) => `c${module}\n${name}\n`

describe("the unpickler", () => {
  // Each made with pickle.dumps(value, protocol) of CPython 3.11, or by hand where it never writes the opcode.
  it.each<[string, PickleValue, Parameters<typeof pickle>]>([
    ["none", null, ["\x80\x02N."]],
    ["booleans", [true, false], ["\x80\x02\x88\x89\x86q\x00."]],
    ["small integers", [255, 65535, -2], ["\x80\x02K\xffM\xff\xffJ\xfe\xff\xff\xff\x87q\x00."]],
    ["long integers", 2 ** 40, ["\x80\x02\x8a\x06\x00\x00\x00\x00\x00\x01."]],
    ["negative long integers", -(2 ** 33), ["\x80\x02\x8a\x05\x00\x00\x00\x00\xfe."]],
    ["integers beyond doubles", 2n ** 64n + 1n, ["\x80\x02\x8a\x09\x01\x00\x00\x00\x00\x00\x00\x00\x01."]],
    ["no bytes as zero", 0, ["\x80\x02\x8a\x00."]],
    ["four-byte lengths", -1, ["\x80\x02\x8b\x01\x00\x00\x00\xff."]],
    ["floats", 0.1, ["\x80\x02G\x3f\xb9\x99\x99\x99\x99\x99\x9a."]],
    ["text", "µ", ["\x80\x02X\x02\x00\x00\x00\xc2\xb5q\x00."]],
    ["short text", "ab", ["\x80\x04\x95\x06\x00\x00\x00\x00\x00\x00\x00\x8c\x02ab\x94."]],
    ["long text", "ab", ["\x80\x04\x8d\x02\x00\x00\x00\x00\x00\x00\x00ab."]],
    ["text of Python 2", "\xff", ["\x80\x02U\x01\xffq\x00."]],
    ["bytes", Uint8Array.of(1, 255), ["\x80\x04C\x02\x01\xff\x94."]],
    [
      "bytes in protocol 2",
      Uint8Array.of(1, 255),
      [
        "\x80\x02",
        global("_codecs", "encode"),
        "X\x03\x00\x00\x00\x01\xc3\xbf",
        "X\x06\x00\x00\x00latin1",
        "\x86R.",
      ],
    ],
    ["lists", [1, 2, 3], ["\x80\x02]q\x00(K\x01K\x02K\x03e."]],
    ["lists of one", [1], ["\x80\x02]q\x00K\x01a."]],
    ["lists from a mark", [1, 2], ["(K\x01K\x02l."]],
    ["tuples", [[], [1], [1, 2, 3, 4]], ["\x80\x02)K\x01\x85q\x00(K\x01K\x02K\x03K\x04tq\x01\x87q\x02."]],
    ["dictionaries", new Map([["a", 1]]), ["\x80\x02}q\x00X\x01\x00\x00\x00aq\x01K\x01s."]],
    [
      "dictionaries of several",
      new Map<string | number, number>([
        ["a", 1],
        [2, 3],
      ]),
      ["\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01K\x02K\x03u."],
    ],
    ["dictionaries from a mark", new Map([[1, 2]]), ["(K\x01K\x02d."]],
    ["sets", new Set([1, 2]), ["\x80\x04\x8f\x94(K\x01K\x02\x90."]],
    ["frozen sets", new Set([1, 2]), ["\x80\x04(K\x01K\x02\x91\x94."]],
    ["shared values", [[7], [7]], ["\x80\x02]q\x00K\x07ah\x00\x86."]],
    ["a long memo index", [1, 1], ["\x80\x02K\x01r\x00\x01\x00\x00j\x00\x01\x00\x00\x86."]],
    ["dropped values", 1, ["K\x01K\x020(K\x02K\x031."]],
    ["doubled values", [1, 1], ["K\x012\x86."]],
    [
      "an ordered dictionary with attributes",
      new Map([["a", 1]]),
      [
        "\x80\x02",
        global("collections", "OrderedDict"),
        ")Rq\x00",
        ...text("a"),
        "K\x01s",
        "}",
        ...text("_metadata"),
        "Nsb.",
      ],
    ],
    [
      "an ordered dictionary of Python 2",
      new Map([["a", 1]]),
      [global("collections", "OrderedDict"), "](]", ...text("a"), "aK\x01ae\x85R."],
    ],
    [
      "a NumPy scalar",
      0.0002,
      [
        "\x80\x02",
        global("numpy._core.multiarray", "scalar"),
        global("numpy", "dtype"),
        ...text("f8"),
        "\x89\x88\x87R",
        "(K\x03",
        ...text("<"),
        "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
        "C\x08\x2d\x43\x1c\xeb\xe2\x36\x2a\x3f",
        "\x86R.",
      ],
    ],
    [
      "a big-endian NumPy scalar",
      258,
      [
        global("numpy.core.multiarray", "scalar"),
        global("numpy", "dtype"),
        ...text("i2"),
        "\x85R",
        "(K\x03",
        ...text(">"),
        "tb",
        "C\x02\x01\x02",
        "\x86R.",
      ],
    ],
    ["a dtype", "torch.float32", [global("torch", "float32"), "."]],
    ["a size", [2, 3], [global("torch", "Size"), "K\x02K\x03\x86\x85R."]],
    ["a device", "cuda", [global("torch", "device"), ...text("cuda"), "K\x00\x86R."]],
  ])("reads %s", (_, value, parts) => {
    expect(load(...parts)).toEqual(value)
  })

  it("keeps a key __proto__ as a key", () => {
    const value = load("}", ...text("__proto__"), "}", ...text("polluted"), "\x88ss.")
    expect(value).toEqual(new Map([["__proto__", new Map([["polluted", true]])]]))
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  it("tells where the pickle ends", () => {
    expect(unpickle("x", pickle("\x80\x02K\x01.", "rest"), torchNames(new Map())).end).toBe(5)
  })

  it("reads a long list", () => {
    const items = "K\x01".repeat(200_000)
    expect(load("](", items, "e.")).toHaveLength(200_000)
  })

  it("reads deep nesting", () => {
    let value = load("]".repeat(100_000), "a".repeat(99_999), ".")
    let depth = 0
    for (; Array.isArray(value); value = value[0]!) depth++
    expect(depth).toBe(100_000)
  })

  it.each([
    ["posix", "system"],
    ["os", "system"],
    ["builtins", "eval"],
    ["builtins", "getattr"],
    ["__builtin__", "exec"],
    ["subprocess", "Popen"],
    ["torch", "load"],
    ["torch.storage", "_load_from_bytes"],
    ["torch.hub", "load"],
    ["numpy", "load"],
    ["torch", "QInt8Storage"],
    ["torch.cuda", "OrderedDict"],
    ["collections.OrderedDict", "__class__"],
    ["torch._utils", "_rebuild_tensor_v2.__globals__"],
    ["", "constructor"],
    ["__proto__", "toString"],
  ])("refuses %s.%s by its name", (module, name) => {
    const call = [...text("echo hacked"), "\x85R."] as const
    expect(refusal("\x80\x02", global(module, name), ...call)).toEqual({
      code: "UNSAFE_PICKLE",
      message: expect.stringContaining(`names ${module}.${name}, which`),
    })
    expect(refusal("\x80\x04", ...text(module), ...text(name), "\x93", ...call).code).toBe("UNSAFE_PICKLE")
  })

  it.each<[string, Parameters<typeof pickle>]>([
    ["INST", ["(S'x'\nios\nsystem\n."]],
    ["INST alone", ["(ios\nsystem\n."]],
    ["OBJ", ["(", global("collections", "OrderedDict"), "o."]],
    ["EXT1", ["\x82\x01."]],
    ["NEWOBJ_EX", ["\x92."]],
    ["a text persistent id", ["Pid\n."]],
  ])("refuses the opcode of %s", (_, parts) => {
    expect(refusal(...parts).code).toBe("UNSUPPORTED")
  })

  it.each<[string, Parameters<typeof pickle>, string]>([
    ["nothing to return", ["."], "empty stack"],
    ["too few values", ["K\x01\x86."], "empty stack"],
    ["values taken from below a mark", ["K\x01(0."], "empty stack"],
    ["a mark that is missing", ["K\x01e."], "mark"],
    ["an unknown memo", ["h\x05."], "memo 5"],
    ["an append to a number", ["K\x01K\x02a."], "no list"],
    ["an item of a list", ["]K\x01K\x02s."], "no dictionary"],
    ["a key without a value", ["}(K\x01u."], "without a value"],
    ["a list as a key", ["}]K\x01s."], "key"],
    ["a list in a set", ["\x8f(]\x90."], "key"],
    ["an item of a list as a set", ["](K\x01\x90."], "no set"],
    ["a call of text", [...text("os"), ")R."], "no function"],
    ["a call of a dictionary", ["})R."], "no function"],
    ["a call without a tuple", [global("collections", "OrderedDict"), "K\x01R."], "no tuple"],
    ["state on a list", ["]Nb."], "plain data"],
    ["state on a function", [global("torch", "Size"), "Nb."], "state"],
    ["a name of numbers", ["K\x01K\x02\x93."], "no text"],
    ["text that is not UTF-8", ["X\x01\x00\x00\x00\xff."], "UTF-8"],
    ["an integer of 257 bytes", ["\x8b\x01\x01\x00\x00", "\x01".repeat(257), "."], "257 bytes"],
    ["a persistent id that is no storage", ["K\x01Q."], "no storage"],
    [
      "bytes in another encoding",
      [global("_codecs", "encode"), ...text("a"), ...text("rot13"), "\x86R."],
      "encoding",
    ],
    [
      "long bytes written as text",
      [global("_codecs", "encode"), "X\x00\x10\x00\x00", "a".repeat(4096), ...text("latin1"), "\x86R."],
      "4096 bytes",
    ],
    ["an ordered dictionary of numbers", [global("collections", "OrderedDict"), "K\x01\x85R."], "list"],
    [
      "an ordered dictionary of single items",
      [global("collections", "OrderedDict"), "](]K\x01ae\x85R."],
      "pair",
    ],
    ["a NumPy object", [global("numpy", "dtype"), ...text("O8"), "\x85R."], '"O8"'],
    [
      "a NumPy number of the wrong size",
      [
        global("numpy.core.multiarray", "scalar"),
        global("numpy", "dtype"),
        ...text("f8"),
        "\x85RC\x01\x00\x86R.",
      ],
      "1 bytes",
    ],
    [
      "a tensor without a storage",
      [global("torch._utils", "_rebuild_tensor_v2"), "(K\x01K\x00))tR."],
      "storage",
    ],
    [
      "a parameter of text",
      [global("torch._utils", "_rebuild_parameter"), ...text("x"), "\x85R."],
      "no tensor",
    ],
    ["a tensor made by its class", [global("torch", "Tensor"), ")R."], "class"],
  ])("refuses %s", (_, parts, message) => {
    expect(refusal(...parts)).toEqual({ code: "MALFORMED", message: expect.stringContaining(message) })
  })

  it("refuses a pickle without end", () => {
    expect(refusal("2".repeat(10)).code).toBe("MALFORMED")
    const endless = new Uint8Array(4_000_001).fill(0x4e)
    expect(() => unpickle("x", endless, torchNames(new Map()))).toThrow(/over 4000000 operations/)
    for (const cut of [
      "",
      "K",
      "X\xff\xff\xff\x7fab",
      "\x8d\xff\xff\xff\xff\xff\xff\xff\xffab",
      "cos\nsystem",
    ]) {
      expect([cut, refusal(cut).code]).toEqual([cut, "TRUNCATED"])
    }
  })
})

describe("tensors in a pickle", () => {
  const storage = (key: string, size: number, type = "FloatStorage") =>
    ["(", ...text("storage"), global("torch", type), ...text(key), ...text("cpu"), "K", size, "tQ"] as const
  const tensor = (offset: number, shape: readonly number[], strides: readonly number[], size = 12) =>
    [
      global("torch._utils", "_rebuild_tensor_v2"),
      "(",
      ...storage("0", size),
      "K",
      offset,
      "(",
      ...shape.flatMap(n => ["K", n]),
      "t(",
      ...strides.flatMap(n => ["K", n]),
      "t\x89Nt",
      "R",
    ] as const

  it("may be views anywhere inside their storage", () => {
    expect(load(...tensor(5, [2, 3], [3, 1], 11), ".")).toMatchObject({
      shape: [2, 3],
      offset: 5,
      dtype: "float32",
    })
    expect(load(...tensor(0, [], [], 1), ".")).toMatchObject({ shape: [] })
    expect(load(...tensor(3, [0, 200], [1, 1], 3), ".")).toMatchObject({ shape: [0, 200] })
  })

  it.each<[string, Parameters<typeof pickle>]>([
    ["beyond the storage", [...tensor(7, [2, 3], [3, 1]), "."]],
    ["with strides beyond the storage", [...tensor(0, [2, 3], [10, 1]), "."]],
    ["with shape and strides of two ranks", [...tensor(0, [2, 3], [1]), "."]],
    [
      "of a shape beyond numbers",
      [
        ...[global("torch._utils", "_rebuild_tensor_v2"), "(", ...storage("0", 12), "K\x00("],
        ...[..."\x8a\x07\xff\xff\xff\xff\xff\xff\x0f".repeat(30), "K\x00t(", "K\x00".repeat(31), "t\x89NtR."],
      ],
    ],
    ["of too many dimensions", [...tensor(0, new Array(65).fill(1), new Array(65).fill(1)), "."]],
    ["that repeat their storage without bound", [...tensor(0, [255, 255, 255, 255], [0, 0, 0, 0]), "."]],
    ["with a storage of two types", [...storage("0", 4), ...storage("0", 4, "DoubleStorage"), "\x86."]],
    ["with a storage of two sizes", [...storage("0", 4), ...storage("0", 5), "\x86."]],
  ])("are refused %s", (_, parts) => {
    expect(refusal(...parts).code).toBe("MALFORMED")
  })
})

describe("legacy files", () => {
  const magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
  const open = (...parts: Parameters<typeof pickle>) => openTorchFile(bytesSource("x.bin", pickle(...parts)))

  it("need the magic number, a known version and their storages", async () => {
    expect((await failure(open("\x80\x02K\x01."))).code).toBe("FORMAT_UNKNOWN")
    expect((await failure(open("nonsense"))).code).toBe("FORMAT_UNKNOWN")
    expect((await failure(open(magic, "\x80\x02K\x01."))).code).toBe("UNSUPPORTED")
    const head = [magic, "\x80\x02M\xe9\x03.", "\x80\x02}."] as const
    expect((await failure(open(...head, "}.", "]", ...text("0"), "a."))).code).toBe("MALFORMED")
    expect((await open(...head, "}.", "].")).root).toEqual(new Map())
  })

  it("are refused by the name of a foreign function anywhere", async () => {
    for (const head of [[], [magic], [magic, "\x80\x02M\xe9\x03."]]) {
      const { code } = await failure(open(...head, "\x80\x02cos\nsystem\n)R."))
      expect(code).toBe("UNSAFE_PICKLE")
    }
  })

  it("may have pickles longer than one read", async () => {
    const names = new Map(Array.from({ length: 30_000 }, (_, i) => [String(i).padStart(5, "0"), null]))
    const items = [...names.keys()].map(name => `X\x05\x00\x00\x00${name}N`).join("")
    const file = await open(magic, "\x80\x02M\xe9\x03.", "}.", "}(", items, "u.", "].")
    expect(file.root).toEqual(names)
  })

  it("notice a storage of another size", async () => {
    const bytes = fixtureBytes("state-legacy.bin")
    const changed = bytes.slice()
    // The first storage has 24 float32 after its count; look for the count.
    const place = bytes.findIndex(
      (_, i) => bytes[i] === 24 && bytes.slice(i + 1, i + 8).every(byte => byte === 0),
    )
    changed[place] = 23
    expect((await failure(openTorchFile(bytesSource("x.bin", changed)))).code).toBe("MALFORMED")
  })
})
