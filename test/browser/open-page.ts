import type { BrowserContext, Page } from "playwright-core"
import type { Site } from "./site.ts"

/** Functions that a program in `pages/` exports; arguments and results are plain data. */
type Program = Readonly<Record<string, (...args: never[]) => unknown>>

/** A page that has loaded a program of `pages/`. */
export interface ProgramPage<P> extends AsyncDisposable {
  readonly page: Page
  /** Calls one of the functions that the program exports, in the page. */
  call<K extends keyof P>(
    name: K,
    ...args: P[K] extends (...args: infer A) => unknown ? A : never
  ): Promise<P[K] extends (...args: never[]) => infer R ? Awaited<R> : never>
}

/** Opens an empty page of `site` with the program `name` of `pages/`. An error that the page doesn't catch fails the next call. */
export async function openPage<P extends Program>(
  context: BrowserContext,
  site: Site,
  name: string,
): Promise<ProgramPage<P>> {
  const page = await context.newPage()
  const errors: Error[] = []
  page.on("pageerror", error => errors.push(error))
  await page.goto(site.url)
  // As text, since Vitest would put a function of its own in the place of `import()`.
  await page.evaluate(
    `import("/lib/page-${name}.js").then(program => void Object.assign(globalThis, { program }))`,
  )
  return {
    page,
    async call(func, ...args) {
      const result = await page.evaluate(
        ({ func, args }) => (globalThis as unknown as { program: Program }).program[func]!(...args),
        { func: func as string, args: args as unknown[] as never[] },
      )
      if (errors.length > 0) throw new AggregateError(errors.splice(0), errors[0]?.message)
      return result as never
    },
    async [Symbol.asyncDispose]() {
      await page.close()
    },
  }
}
