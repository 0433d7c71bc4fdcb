import { mkdir, symlink, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterEach, describe, expect, test, vi } from "vitest"
import type { ChosenFolder } from "../../src/hub/chosen-folder.ts"
import { openRepo } from "../../src/hub/open-repo.ts"
import type { ChosenFile, FolderHandle } from "../../src/platform/folder-handle.ts"
import { hideHubEnvironment, hubWithCache, temporaryFolder, temporaryHub } from "./hub-fixtures.ts"

hideHubEnvironment()
afterEach(() => void vi.unstubAllEnvs())

const files = {
  "model_index.json": '{ "_class_name": "ScoreSdeVePipeline" }',
  "unet/config.json": "{}",
  "unet/diffusion_pytorch_model.bin": "weights",
}
const repos = { "org/model": { files } }

describe("what a name stands for", () => {
  test.each([
    "",
    "a/b/c",
    "a b",
    "-a/b",
    "a/b.",
    "a--b/c",
    "a..b",
    "a/b.git",
    "ü/b",
    "a/b?x",
    `a/${"b".repeat(96)}`,
  ])("%j is no repository", async id => {
    await expect(openRepo(id, { fetch: () => expect.fail("asked the Hub") })).rejects.toMatchObject({
      code: "INVALID_ID",
    })
  })

  test.each(["./models/none", "../none", "/none/such", "C:\\none"])(
    "%j is a folder that isn't there",
    async path => {
      await expect(openRepo(path, { fetch: () => expect.fail("asked the Hub") })).rejects.toMatchObject({
        code: "LOCAL_NOT_FOUND",
      })
    },
  )

  test.each([null, undefined, 5, true])("%j is no place of a model", async location => {
    await expect(openRepo(location as never)).rejects.toMatchObject({
      name: "HubError",
      code: "INVALID_ID",
      hint: expect.stringContaining("owner/name"),
    })
  })

  test.each(["./package.json", "package.json", "src/index.ts"])("the file %s is no folder", async path => {
    await expect(openRepo(path, { fetch: () => expect.fail("asked the Hub") })).rejects.toMatchObject({
      code: "LOCAL_NOT_FOUND",
      message: expect.stringContaining(`${path} is a file, but a model is loaded from its folder.`),
      hint: expect.stringContaining("model_index.json"),
    })
  })

  test.each(["main..x", "a b", "x\n", "../x", "x/", "", "refs/../../y", "x.lock"])(
    "%j is no revision",
    async revision => {
      await expect(openRepo("org/model", { revision, localFilesOnly: true })).rejects.toMatchObject({
        code: "INVALID_REVISION",
      })
    },
  )

  test.each([
    { endpoint: "ftp://x" },
    { endpoint: "huggingface.co" },
    { retries: -1 },
    { retries: Number.NaN },
  ])("%j is no option", async options => {
    await expect(openRepo("org/model", options)).rejects.toMatchObject({ code: "INVALID_OPTION" })
  })
})

describe("a local folder", () => {
  async function modelFolder(): Promise<string> {
    const folder = await temporaryFolder()
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(folder, path, ".."), { recursive: true })
      await writeFile(join(folder, path), text)
    }
    return folder
  }

  test("is listed and read", async () => {
    const folder = await modelFolder()
    await mkdir(join(folder, ".git"))
    await writeFile(join(folder, ".git", "HEAD"), "ref")
    await symlink("nowhere", join(folder, "dangling"))
    await using server = await temporaryHub({})
    const repo = await openRepo(folder, { endpoint: server.url })
    expect(repo).toMatchObject({ id: folder, kind: "local", commit: undefined, offline: undefined })
    expect(repo.files).toEqual([
      { path: "model_index.json", size: 39 },
      { path: "unet/config.json", size: 2 },
      { path: "unet/diffusion_pytorch_model.bin", size: 7 },
    ])
    expect(await repo.localPath("unet/config.json")).toBe(join(folder, "unet/config.json"))
    const source = await repo.open("unet/diffusion_pytorch_model.bin")
    expect(Buffer.from(await source.read(2, 3)).toString()).toBe("igh")
    await source.close()
    expect(server.requests).toEqual([])
  })

  test("can be entered by subfolder", async () => {
    const repo = await openRepo(await modelFolder(), { subfolder: "unet/" })
    expect(repo.files.map(file => file.path)).toEqual(["config.json", "diffusion_pytorch_model.bin"])
    expect(await repo.readText("config.json", 10)).toBe("{}")
    expect(repo.has("model_index.json")).toBe(false)
  })

  test("gives typed errors", async () => {
    const folder = await modelFolder()
    await writeFile(join(folder, "latin1.json"), Buffer.from([0x22, 0xe4, 0x22]))
    const repo = await openRepo(folder)
    await expect(repo.open("none.json")).rejects.toMatchObject({
      code: "ENTRY_NOT_FOUND",
      hint: expect.stringContaining("unet/config.json"),
    })
    await expect(repo.readText("model_index.json", 38)).rejects.toMatchObject({ code: "TOO_LARGE" })
    await expect(repo.readText("latin1.json", 38)).rejects.toMatchObject({ code: "NOT_TEXT" })
    for (const path of ["../secret", "/etc/passwd", "unet//config.json", "unet\\config.json", "a/./b", ""]) {
      await expect(repo.open(path)).rejects.toMatchObject({ code: "INVALID_PATH" })
    }
    await expect(openRepo(folder, { subfolder: "../x" })).rejects.toMatchObject({ code: "INVALID_PATH" })
  })

  test("keeps what is made from it until one of its files changes", async () => {
    const folder = await modelFolder()
    const derived = (await openRepo(folder)).derivedFile("unet.v1.onnx")
    expect(await derived.localPath()).toBeUndefined()
    await derived.write(Buffer.from("graph"))
    const again = (await openRepo(folder)).derivedFile("unet.v1.onnx")
    const path = await again.localPath()
    expect(path).toMatch(/assets.score-sde.folders/)
    expect(path?.startsWith(process.env.HF_HOME!)).toBe(true)

    await utimes(join(folder, "unet/diffusion_pytorch_model.bin"), new Date(), new Date(2000))
    const changed = (await openRepo(folder)).derivedFile("unet.v1.onnx")
    expect(await changed.open()).toBeUndefined()
    await changed.write(Buffer.from("new graph"))
    // The one of the old files has gone.
    expect(await again.localPath()).toBeUndefined()
  })
})

describe("a folder that a visitor of a page chose", () => {
  const chosen = (path: string, text = "{}") => {
    const file = new File([text], path.split("/").at(-1)!, { lastModified: 1 })
    return Object.defineProperty(file, "webkitRelativePath", { value: path }) as ChosenFile
  }
  const handle = (name: string, ...children: (FolderHandle | ChosenFile)[]): FolderHandle => ({
    kind: "directory",
    name,
    async *values() {
      for (const child of children) {
        if (child instanceof File) yield { kind: "file", name: child.name, getFile: async () => child }
        else yield child as FolderHandle
      }
    },
  })

  test.each<[string, ChosenFolder]>([
    ["the files of an input", [chosen("mine/model_index.json"), chosen("mine/unet/config.json", '{"a":1}')]],
    [
      "a handle",
      handle("mine", chosen("model_index.json"), handle("unet", chosen("config.json", '{"a":1}'))),
    ],
  ])("is read as %s", async (_, folder) => {
    const repo = await openRepo(folder)
    expect(repo).toMatchObject({ id: "mine", kind: "local", hasPaths: false })
    expect(repo.files.map(file => file.path)).toEqual(["model_index.json", "unet/config.json"])
    expect(await repo.readText("unet/config.json", 10)).toBe('{"a":1}')
    await expect(repo.localPath("unet/config.json")).rejects.toMatchObject({ code: "NO_LOCAL_PATH" })
    expect((await repo.reopened()).files).toEqual(repo.files)
    await repo.derivedFile("unet.v1.onnx").write(Buffer.from("graph"))
    expect(await (await openRepo(folder)).derivedFile("unet.v1.onnx").localPath()).toBeDefined()
  })

  test("may be files without a folder, and not nothing", async () => {
    const repo = await openRepo([new File(["{}"], "config.json"), new File(["x"], "..")])
    expect(repo.files).toEqual([{ path: "config.json", size: 2 }])
    await expect(openRepo([])).rejects.toMatchObject({ code: "LOCAL_NOT_FOUND" })
    await expect(openRepo(handle("empty"))).rejects.toMatchObject({ code: "LOCAL_NOT_FOUND" })
  })

  test("is not a whole disk", async () => {
    const many = handle("many", ...Array.from({ length: 20_001 }, (_, i) => new File([], `${i}`)))
    await expect(openRepo(many)).rejects.toMatchObject({ code: "FILE_TOO_LARGE" })
  })
})

describe("a Hub repository", () => {
  test("is resolved once, and its files are read from that commit", async () => {
    const { server, open } = await hubWithCache({ repos })
    const repo = await open("org/model")
    const { commit } = repo
    expect(repo).toMatchObject({
      id: "org/model",
      kind: "hub",
      commit: expect.stringMatching(/^[0-9a-f]{40}$/),
    })
    expect(repo.files.map(file => [file.path, file.size])).toEqual(
      Object.entries(files).map(([path, text]) => [path, text.length]),
    )
    server.commit("org/model", { ...files, "model_index.json": "changed" })
    expect(await repo.readText("model_index.json", 100)).toBe(files["model_index.json"])
    expect(server.requests.map(request => request.url)).toEqual([
      "/api/models/org/model/revision/main?blobs=true",
      `/org/model/resolve/${commit}/model_index.json`,
    ])

    const renewed = await open("org/model")
    expect(renewed.commit).not.toBe(commit)
    expect(await renewed.readText("model_index.json", 100)).toBe("changed")
  })

  test("of a branch, a tag or a commit", async () => {
    const { server, open } = await hubWithCache({ repos })
    const commit = server.commit("org/model", { "a.txt": "on a branch" }, "refs/pr/1")
    const branch = await open("org/model", { revision: "refs/pr/1" })
    expect(branch.commit).toBe(commit)
    expect(await branch.readText("a.txt", 100)).toBe("on a branch")
    expect((await open("org/model", { revision: commit })).commit).toBe(commit)
  })

  test("asks nothing for a commit that it knows", async () => {
    const { server, open } = await hubWithCache({ repos })
    const first = await open("org/model")
    await first.download(["model_index.json"])
    server.reset()
    const repo = await open("org/model", { revision: first.commit! })
    await repo.readText("model_index.json", 100)
    expect(server.requests).toEqual([])
    await repo.readText("unet/config.json", 100)
    expect(server.requests).toHaveLength(1)
  })

  test("can be entered by subfolder", async () => {
    const { open } = await hubWithCache({ repos })
    const repo = await open("org/model", { subfolder: "unet" })
    expect(repo.files.map(file => file.path)).toEqual(["config.json", "diffusion_pytorch_model.bin"])
    expect(await repo.readText("config.json", 10)).toBe("{}")
    expect(await repo.localPath("diffusion_pytorch_model.bin")).toMatch(/unet.diffusion_pytorch_model\.bin$/)
  })

  test("with unusual names in it", async () => {
    const names = ["a b.txt", "c#d.txt", "e?f.txt", "g%20h.txt", "ä/ö.bin", "__proto__"]
    const odd = Object.fromEntries(names.map(name => [name, `text of ${name}`]))
    const { open } = await hubWithCache({
      repos: { "org/odd": { files: { ...odd, ["__proto__"]: "text of __proto__" } } },
    })
    const repo = await open("org/odd")
    for (const name of names) expect(await repo.readText(name, 100)).toBe(`text of ${name}`)
  })

  test("that leads out of its folder does not", async () => {
    const reply = {
      sha: "0".repeat(40),
      siblings: ["../../evil", "/etc/evil", "a\\..\\evil", "ok.txt"].map(rfilename => ({
        rfilename,
        size: 1,
        blobId: "1".repeat(40),
      })),
    }
    const { open } = await hubWithCache({
      repos,
      faults: [{ match: "/revision/", kind: "body", body: JSON.stringify(reply) }],
    })
    const repo = await open("org/model")
    expect(repo.files).toEqual([{ path: "ok.txt", size: 1 }])
    await expect(repo.open("../../evil")).rejects.toMatchObject({ code: "INVALID_PATH" })
  })

  test.each(["tree", "file"] as const)(
    "of a server that tells sizes and hashes only with the %s",
    async metadata => {
      const { server, open } = await hubWithCache({ repos, metadata, pageSize: 2 })
      const repo = await open("org/model")
      expect(await repo.readText("unet/config.json", 10)).toBe("{}")
      expect(await repo.readText("unet/diffusion_pytorch_model.bin", 10)).toBe("weights")
      expect(repo.files.map(file => file.size)).toEqual(
        metadata === "tree" ? [39, 2, 7] : Array(3).fill(undefined),
      )
      const pages = server.requests.filter(request => request.url.includes("/tree/"))
      expect(pages).toHaveLength(metadata === "tree" ? 2 : 1)
    },
  )

  test("hints at what is there when a file is not", async () => {
    const { open } = await hubWithCache({ repos })
    const repo = await open("org/model")
    await expect(repo.localPath("unet/model.onnx")).rejects.toMatchObject({
      code: "ENTRY_NOT_FOUND",
      message: expect.stringContaining("org/model has no file unet/model.onnx"),
      hint: expect.stringContaining("unet/diffusion_pytorch_model.bin"),
    })
  })
})

describe("a Hub that refuses", () => {
  test.each([
    ["org/none", {}, "REPO_NOT_FOUND", "does not exist, or it is private"],
    ["org/none", { token: "hf_test" }, "REPO_NOT_FOUND", "that your token may read it"],
    ["org/private", {}, "REPO_NOT_FOUND", "set HF_TOKEN"],
    ["org/model", { revision: "v9" }, "REVISION_NOT_FOUND", '"v9"'],
    ["org/model", { token: "hf_wrong" }, "UNAUTHORIZED", "does not accept the access token"],
  ])("%s %j gives %s", async (id, options, code, message) => {
    const { server, open } = await hubWithCache({
      repos: { ...repos, "org/private": { files, access: "private" } },
    })
    await expect(open(id, options)).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
    expect(server.requests).toHaveLength(1)
  })

  test("a gated repository is listed, but its files need the conditions accepted", async () => {
    const { server, open } = await hubWithCache({ repos: { "org/gated": { files, access: "gated" } } })
    const repo = await open("org/gated")
    await expect(repo.open("unet/config.json")).rejects.toMatchObject({
      code: "GATED",
      message: expect.stringContaining(`Accept them at ${server.url}/org/gated`),
    })
    const allowed = await open("org/gated", { token: "hf_test" })
    expect(await allowed.readText("unet/config.json", 10)).toBe("{}")
  })

  test.each([
    [403, "UNAUTHORIZED"],
    [400, "DOWNLOAD_FAILED"],
    [404, "REPO_NOT_FOUND"],
  ])("status %d without an explanation", async (status, code) => {
    const { server, open } = await hubWithCache({
      repos,
      faults: [{ match: "/api/", kind: "status", status }],
    })
    await expect(open("org/model")).rejects.toMatchObject({ code })
    expect(server.requests).toHaveLength(1)
  })

  test.each([
    ["broken JSON", '{ "sha": ', "DOWNLOAD_FAILED", /broken JSON/],
    ["another page", "<html>log in</html>", "DOWNLOAD_FAILED", /broken JSON/],
    ["another form", '{ "sha": 5, "siblings": [] }', "INVALID_RESPONSE", /sha should be string, found 5/],
    ["no commit", '{ "sha": "main", "siblings": [] }', "INVALID_RESPONSE", /sha should be/],
    ["no files", `{ "sha": "${"0".repeat(40)}" }`, "INVALID_RESPONSE", /siblings should be/],
  ])("%s instead of the description", async (_, body, code, message) => {
    const { open } = await hubWithCache({ repos, faults: [{ match: "/api/", kind: "body", body }] })
    await expect(open("org/model", { retries: 0 })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    })
  })
})

describe("the token", () => {
  test("goes to the endpoint and not to where it redirects", async () => {
    const { server, open } = await hubWithCache({ repos: { "org/private": { files, access: "private" } } })
    const repo = await open("org/private", { token: " hf_test\n" })
    await repo.localPath("unet/diffusion_pytorch_model.bin")
    const sent = server.requests.map(({ server: name, headers }) => [name, headers.authorization])
    expect(sent).toEqual([
      ["hub", "Bearer hf_test"],
      ["hub", "Bearer hf_test"],
      ["cdn", undefined],
    ])
  })

  test("stays on when the endpoint redirects to itself, as for a renamed repository", async () => {
    const { server, open } = await hubWithCache({ repos: { "org/new": { files, access: "private" } } })
    server.addFault({
      match: "/org/old/",
      kind: "redirect",
      to: "/api/models/org/new/revision/main?blobs=true",
    })
    const repo = await open("org/old", { token: "hf_test" })
    expect(repo.files).toHaveLength(3)
    expect(server.requests.map(request => request.headers.authorization)).toEqual(
      Array(2).fill("Bearer hf_test"),
    )
  })

  test("and the request itself don't go from https to http", async () => {
    const asked: string[] = []
    const fetchStub = async (url: RequestInfo | URL) => {
      asked.push(String(url))
      return new Response(null, { status: 302, headers: { location: "http://hub.example/elsewhere" } })
    }
    const cacheDir = await temporaryFolder()
    const options = { endpoint: "https://hub.example", token: "hf_test", cacheDir, fetch: fetchStub }
    await expect(openRepo("org/model", options)).rejects.toMatchObject({
      code: "DOWNLOAD_FAILED",
      message: expect.stringContaining("answered 302"),
    })
    expect(asked).toEqual(["https://hub.example/api/models/org/model/revision/main?blobs=true"])
  })

  test("comes from HF_TOKEN, or the file that HF_TOKEN_PATH or HF_HOME lead to", async () => {
    const { server, open } = await hubWithCache({ repos })
    const sent = async (options = {}) => {
      server.reset()
      await open("org/model", options)
      return server.requests[0]?.headers.authorization
    }
    expect(await sent()).toBeUndefined()

    await writeFile(join(process.env.HF_HOME!, "token"), "hf_test\n")
    expect(await sent()).toBe("Bearer hf_test")
    const other = join(await temporaryFolder(), "token")
    vi.stubEnv("HF_TOKEN_PATH", other)
    expect(await sent()).toBeUndefined()
    await writeFile(other, "hf_test")
    expect(await sent()).toBe("Bearer hf_test")
    await writeFile(other, "hf_other")
    vi.stubEnv("HF_TOKEN", "hf_test")
    expect(await sent()).toBe("Bearer hf_test")

    expect(await sent({ token: false })).toBeUndefined()
    vi.stubEnv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    expect(await sent()).toBeUndefined()
    expect(await sent({ token: "hf_test" })).toBe("Bearer hf_test")
  })

  test("is not shown when it is broken", async () => {
    const error = await openRepo("org/model", { token: "hf_secret\nX: y" }).catch((e: unknown) => e)
    expect(error).toMatchObject({ code: "INVALID_OPTION" })
    expect(String(error)).not.toContain("secret")
  })
})

describe("the environment", () => {
  test("HF_ENDPOINT names the Hub", async () => {
    await using server = await temporaryHub({ repos })
    vi.stubEnv("HF_ENDPOINT", `${server.url}/`)
    expect((await openRepo("org/model")).files).toHaveLength(3)
  })

  test("HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME and XDG_CACHE_HOME name the cache, in this order", async () => {
    await using server = await temporaryHub({ repos })
    const base = await temporaryFolder()
    const place = async () => {
      const repo = await openRepo("org/model", { endpoint: server.url })
      return (await repo.localPath("unet/config.json")).slice(base.length + 1).split("/models--")[0]
    }
    vi.stubEnv("HF_HOME", "")
    vi.stubEnv("XDG_CACHE_HOME", join(base, "xdg"))
    expect(await place()).toBe("xdg/huggingface/hub")
    vi.stubEnv("HF_HOME", join(base, "home"))
    expect(await place()).toBe("home/hub")
    vi.stubEnv("HUGGINGFACE_HUB_CACHE", join(base, "old"))
    expect(await place()).toBe("old")
    vi.stubEnv("OUR_BASE", base)
    vi.stubEnv("HF_HUB_CACHE", "$OUR_BASE/new")
    expect(await place()).toBe("new")
  })
})

describe("without a connection", () => {
  test.each(["option", "HF_HUB_OFFLINE"])("by %s, the cache is used and nothing is sent", async how => {
    const { server, open } = await hubWithCache({ repos })
    const online = await open("org/model")
    await online.download(["model_index.json", "unet/config.json"])
    server.reset()
    if (how !== "option") vi.stubEnv("HF_HUB_OFFLINE", "1")
    const options = how === "option" ? { localFilesOnly: true } : {}

    const repo = await open("org/model", options)
    expect(repo).toMatchObject({ commit: online.commit, offline: expect.stringMatching(/is set\.$/) })
    expect(repo.files.map(file => file.path)).toEqual(["model_index.json", "unet/config.json"])
    expect(await repo.readText("unet/config.json", 10)).toBe("{}")
    await expect(repo.open("unet/diffusion_pytorch_model.bin")).rejects.toMatchObject({ code: "OFFLINE" })
    await expect(repo.open("unet/model.onnx")).rejects.toMatchObject({ code: "ENTRY_NOT_FOUND" })
    await expect(open("org/model", { ...options, revision: "v1" })).rejects.toMatchObject({ code: "OFFLINE" })
    await expect(open("org/other", options)).rejects.toMatchObject({
      code: "OFFLINE",
      message: expect.stringContaining("org/other at main is not in the cache"),
    })
    expect(server.requests).toEqual([])
  })

  test.each([
    ["the server is gone", "could not be reached"],
    ["the server is in trouble", "answered 503"],
  ])("because %s, the cache is used", async (what, reason) => {
    const { server, open } = await hubWithCache({ repos })
    await (await open("org/model")).download(["unet/config.json"])
    if (what === "the server is gone") await server.close()
    else server.addFault({ match: "/", kind: "status", status: 503 })

    const repo = await open("org/model")
    expect(repo.offline).toContain(reason)
    expect(await repo.readText("unet/config.json", 10)).toBe("{}")
    await expect(open("org/model", { forceDownload: true, retries: 0 })).rejects.toMatchObject({
      code: what === "the server is gone" ? "OFFLINE" : "DOWNLOAD_FAILED",
    })
    await expect(open("org/other", { retries: 0 })).rejects.toMatchObject({
      code: what === "the server is gone" ? "OFFLINE" : "DOWNLOAD_FAILED",
    })
  })

  test("a refusal is not taken for a lost connection", async () => {
    const { server, open } = await hubWithCache({ repos })
    await (await open("org/model")).download(["unet/config.json"])
    server.addFault({ match: "/api/", kind: "status", status: 403 })
    await expect(open("org/model")).rejects.toMatchObject({ code: "UNAUTHORIZED" })
  })
})
