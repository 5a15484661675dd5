import { delay } from "@std/async";
import { downsample, type Page, partsOf } from "noiseline/report";
import { answer, say } from "./guard.ts";
import type { Look, Site } from "./site.ts";

/** The largest number of pages, in all browsers together, that receive events at a time. */
const MOST_LISTENERS = 64;

function eventOf(name: "part" | "rows" | "gone", data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

/**
 * Yields the new rows of a page's curves.
 * @param lastSent for each curve the last step that was sent; is updated
 */
function* newRows({ curves }: Page, lastSent: Map<string, number>): Generator<string> {
  for (const { title: stage, runs } of curves) {
    for (const { label: run, href, rows } of runs) {
      const name = JSON.stringify([stage, run]);
      const last = lastSent.get(name) ?? -1;
      const fresh = rows.slice(rows.findLastIndex(({ step }) => step <= last) + 1);
      if (fresh.length === 0) continue;
      lastSent.set(name, fresh.at(-1)!.step);
      yield eventOf("rows", { stage, run, href, rows: downsample(fresh) });
    }
  }
}

/** Streams of server-sent events. While nobody listens, nothing is read. */
export class Events {
  listeners = 0;

  constructor(private readonly site: Site, private readonly onError: (error: unknown) => void) {}

  /** Opens a stream that first sends the whole page, then its changes. */
  async open(address: URL): Promise<Response> {
    if (this.listeners >= MOST_LISTENERS) return say(503, `at most ${MOST_LISTENERS} pages listen at a time`);
    const look = await this.site.look(address);
    if (look === undefined) return say(404, "there is no such page");
    return answer(ReadableStream.from(this.#follow(address, look)), "text/event-stream");
  }

  /**
   * Yields events only as fast as the reader takes them, so that nothing piles up, and ends at the next look after the
   * reader has left.
   */
  async *#follow(address: URL, first: Look): AsyncGenerator<Uint8Array> {
    const encoder = new TextEncoder();
    const [parts, lastSent] = [new Map<string, string>(), new Map<string, number>()];
    this.listeners++;
    try {
      yield encoder.encode("retry: 2000\n\n");
      for (let look: Look | undefined = first; look !== undefined; look = await this.site.look(address)) {
        const changed = partsOf(look.page).filter(({ id, html }) => parts.get(id) !== html);
        for (const { id, html } of changed) parts.set(id, html);
        const news = [...changed.map((part) => eventOf("part", part)), ...newRows(look.page, lastSent)];
        for (const text of [...news, ": \n\n"]) yield encoder.encode(text);
        await delay(look.paceMs);
      }
      yield encoder.encode(eventOf("gone", {}));
    } catch (error) {
      this.onError(error);
    } finally {
      this.listeners--;
    }
  }
}
