import { ASSETS, renderServed } from "noiseline/report";
import type { Events } from "./events.ts";
import { answer } from "./guard.ts";
import { namesIn, type Site } from "./site.ts";

const SELF = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/**
 * Files of artifacts by route and file extension. A drawing may bring its own style, an interactive sampling page its
 * own script: each has its own origin.
 */
const FILES: Readonly<Record<string, readonly [type: string, policy?: string]>> = {
  "object.png": ["image/png"],
  "object.svg": ["image/svg+xml", `default-src 'none'; style-src 'unsafe-inline'; sandbox; ${SELF}`],
  "page.html": [
    "text/html; charset=utf-8",
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob: data:; " +
    `style-src 'unsafe-inline'; img-src data: blob:; worker-src blob: data:; connect-src data: blob:; ${SELF}`,
  ],
};

/** Files that are named by a hash of their content. */
const FOR_EVER = { "Cache-Control": "private, max-age=31536000, immutable" };

/** Answers a request that `guard` let through; undefined if there is nothing at its address. */
export async function answerFor(address: URL, site: Site, events: Events): Promise<Response | undefined> {
  const { pathname, search, searchParams } = address;
  const [room = "", id = "", stage = "", last = ""] = namesIn(pathname);
  const show = (body: BodyInit | undefined, type: string) => body === undefined ? undefined : answer(body, type);
  switch (room) {
    case "style.css":
      return answer(ASSETS["/style.css"], "text/css; charset=utf-8");
    case "app.js":
      return answer(ASSETS["/app.js"], "text/javascript; charset=utf-8");
    case "events": {
      const of = searchParams.get("of") ?? "";
      return /^\/(?!\/)/.test(of) ? await events.open(new URL(of, "http://localhost")) : undefined;
    }
    case "log":
      return show(site.logOf(id, stage), "text/plain; charset=utf-8");
    case "preview":
      return show(site.previewOf(id, stage, last), "image/png");
    case "object":
    case "page": {
      const [type, policy] = FILES[`${room}.${id.split(".")[1]}`] ?? [];
      const bytes = type && await site.fileOf(id);
      const headers = { ...FOR_EVER, ...policy && { "Content-Security-Policy": policy } };
      return bytes ? answer(bytes, type, headers) : undefined;
    }
  }
  const look = await site.look(address);
  const stream = `/events?of=${encodeURIComponent(`${pathname}${search}`)}`;
  return look && answer(renderServed(look.page, stream), "text/html; charset=utf-8");
}
