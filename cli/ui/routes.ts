import { ASSETS, renderServed } from "noiseline/report";
import type { Events } from "./events.ts";
import { answer, say } from "./guard.ts";
import { namesIn, type Site } from "./site.ts";

/** What a name is that says what it holds does not change. */
const FOR_EVER = { "Cache-Control": "private, max-age=31536000, immutable" };

/** A drawing may bring its own style, and a page that draws its own script: each gets an origin of its own. */
const DRAWING = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'";
const DRAWS = [
  "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob: data:",
  "style-src 'unsafe-inline'; img-src data: blob:; worker-src blob: data:; connect-src data: blob:; base-uri 'none'",
  "form-action 'none'; frame-ancestors 'self'",
].join("; ");

const FILE_TYPES: Readonly<Record<string, readonly [type: string, policy?: string]>> = {
  png: ["image/png"],
  svg: ["image/svg+xml", DRAWING],
  html: ["text/html; charset=utf-8", DRAWS],
};

const NOTHING = say.bind(undefined, 404, "there is nothing at this address, or no longer");

/** Answer a request that `guard` let through. */
export async function answerFor(address: URL, site: Site, events: Events): Promise<Response> {
  const { pathname, searchParams } = address;
  const [room = "", id = "", stage = "", last = ""] = namesIn(pathname) ?? ["?"];
  switch (room) {
    case "":
    case "run":
    case "compare": {
      const look = await site.look(address);
      if (look === undefined) return NOTHING();
      const stream = `/events?of=${encodeURIComponent(`${pathname}${address.search}`)}`;
      return answer(renderServed(look.page, stream), "text/html; charset=utf-8");
    }
    case "events": {
      const of = searchParams.get("of") ?? "";
      return /^\/(?!\/)/.test(of) ? await events.open(new URL(of, "http://localhost")) : NOTHING();
    }
    case "style.css":
      return answer(ASSETS["/style.css"], "text/css; charset=utf-8");
    case "app.js":
      return answer(ASSETS["/app.js"], "text/javascript; charset=utf-8");
    case "log": {
      const text = site.logOf(id, stage);
      return text === undefined ? NOTHING() : answer(text, "text/plain; charset=utf-8");
    }
    case "figures": {
      const rows = site.figuresOf(id, /^(.+)\.json$/s.exec(stage)?.[1] ?? "");
      return rows === undefined ? NOTHING() : answer(JSON.stringify(rows), "application/json");
    }
    case "preview": {
      const png = await site.previewOf(id, stage, /^(\d{1,15})\.png$/.exec(last)?.[1] ?? "");
      return png === undefined ? NOTHING() : answer(png, "image/png");
    }
    case "object":
    case "page": {
      const [, digest = "", type = ""] = /^([0-9a-f]{64})\.(png|svg|html)$/.exec(id) ?? [];
      const bytes = (type === "html") === (room === "page") ? await site.fileOf(`${digest}.${type}`) : undefined;
      const [name, policy] = FILE_TYPES[type] ?? [""];
      const headers = { ...FOR_EVER, ...policy && { "Content-Security-Policy": policy } };
      return bytes === undefined ? NOTHING() : answer(bytes, name, { headers });
    }
    default:
      return NOTHING();
  }
}
