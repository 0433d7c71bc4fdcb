import type { BrowserContext } from "playwright-core"
import type { HubServer } from "../hub-server/hub-server.ts"

export const hubPages = "https://huggingface.co/**"

/** Has pages find our Hub where they look for Hugging Face's. */
export async function routeHub(context: BrowserContext, hub: HubServer): Promise<void> {
  await context.route(hubPages, async route => {
    const request = route.request()
    const { pathname, search } = new URL(request.url())
    const { host: _, ...headers } = await request.allHeaders()
    const answer = await fetch(`${hub.url}${pathname}${search}`, { method: request.method(), headers })
    await route.fulfill({
      status: answer.status,
      headers: Object.fromEntries(answer.headers),
      body: Buffer.from(await answer.arrayBuffer()),
    })
  })
}
