import { assert, assertEquals } from "@std/assert";
import { listen } from "../../../../pages/server/listen.ts";

/** The requests that are answered at a time. */
const MOST = 128;

Deno.test({
  name: "each request is answered while more are open than are served at a time, with 503 and when to come again",
  // The server listens for as long as its process lives.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const answer = ({ url }: { readonly url: string }) =>
      Promise.resolve(
        new Response(
          url.endsWith("/page") ? "a page" : new ReadableStream({
            start: (controller) => controller.enqueue(new TextEncoder().encode("event: part\n\n")),
          }),
        ),
      );
    listen({ port: 0, answer, onListen: resolve, onTrouble: reject });
    const origin = `http://127.0.0.1:${await promise}`;
    const held: Response[] = [];
    const pages: number[] = [];
    for (let batch = 0; batch < 15; batch++) {
      held.push(...await Promise.all(Array.from({ length: 20 }, () => fetch(`${origin}/events`))));
      const page = await fetch(`${origin}/page`);
      assertEquals(await page.text(), page.status === 200 ? "a page" : "");
      pages.push(page.status);
    }
    const busy = held.filter(({ status }) => status === 503);
    assertEquals([held.length - busy.length, busy[0]!.headers.get("retry-after")], [MOST, "5"]);
    assertEquals(pages, [...Array(6).fill(200), ...Array(9).fill(503)]);
    // Silent connections take the place of none that asks.
    const silent = await Promise.all(
      Array.from({ length: 100 }, () => Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(origin).port) })),
    );
    assertEquals((await fetch(`${origin}/page`)).status, 503);
    for (const { body } of held) await body?.cancel();
    let status = 503;
    while (status === 503) {
      const page = await fetch(`${origin}/page`);
      await page.body?.cancel();
      status = page.status;
    }
    assert(status === 200);
    for (const one of silent) one.close();
  },
});
