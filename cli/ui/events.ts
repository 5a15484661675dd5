import { delay } from "@std/async";
import { type Page, partsOf } from "noiseline/report";
import { answer, say } from "./guard.ts";
import type { Look, Site } from "./site.ts";

/** Pages that listen at a time, of all browsers. */
const MOST_LISTENERS = 64;
/** Bytes that wait for a browser which does not take them; then it is left to ask anew. */
const MOST_WAITING = 16 << 20;
/** Rows of one curve that are sent at once: a screen shows no more. */
const MOST_ROWS = 2_000;
const TYPE = "text/event-stream";
const HEARTBEAT_MS = 15_000;
const AFTER_TROUBLE_MS = 10_000;

type Listener = ReadableStreamDefaultController<Uint8Array>;

const encoder = new TextEncoder();

function eventOf(name: "part" | "rows" | "gone", data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** What is new in the curves of a page. @param told of each the last step that was told; is brought up to date */
function* newRows({ curves }: Page, told: Map<string, number>): Generator<string> {
  for (const { title: stage, runs } of curves) {
    for (const { label: run, rows } of runs) {
      const name = JSON.stringify([stage, run]);
      const last = told.get(name) ?? -1;
      const fresh = rows.filter(({ step }) => step > last);
      const every = Math.ceil(fresh.length / MOST_ROWS);
      const shown = fresh.filter((_, i) => i % every === 0 || i === fresh.length - 1);
      if (shown.length === 0) continue;
      told.set(name, shown.at(-1)!.step);
      yield eventOf("rows", { stage, run, rows: shown });
    }
  }
}

/** What all browsers that show one page are told: what has changed since it was looked at last. */
class Feed {
  readonly listeners = new Set<Listener>();
  readonly #parts = new Map<string, string>();
  readonly #told = new Map<string, number>();
  #isFollowing = false;

  constructor(
    private readonly site: Site,
    private readonly address: URL,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Tell one more how everything is now, and from then on what changes. */
  add(listener: Listener, look: Look): void {
    this.#tellChanges(look);
    this.listeners.add(listener);
    this.#send(listener, "retry: 2000\n\n");
    for (const [id, html] of this.#parts) this.#send(listener, eventOf("part", { id, html }));
    // Others have had these, and pages know what they have.
    for (const text of newRows(look.page, new Map())) this.#send(listener, text);
    if (!this.#isFollowing) this.#follow(look.paceMs);
  }

  async #follow(paceMs: number): Promise<void> {
    this.#isFollowing = true;
    for (let pauseMs = paceMs;;) {
      await delay(pauseMs);
      if (this.listeners.size === 0) break;
      pauseMs = AFTER_TROUBLE_MS;
      try {
        const look = await this.site.look(this.address);
        if (look === undefined) this.#tell(eventOf("gone", {}));
        else {
          this.#tellChanges(look);
          pauseMs = look.paceMs;
        }
      } catch (error) {
        this.onError(error);
      }
    }
    this.#isFollowing = false;
  }

  #tellChanges({ page }: Look): void {
    for (const part of partsOf(page)) {
      if (this.#parts.get(part.id) === part.html) continue;
      this.#parts.set(part.id, part.html);
      this.#tell(eventOf("part", part));
    }
    for (const text of newRows(page, this.#told)) this.#tell(text);
  }

  #tell(text: string): void {
    for (const listener of this.listeners) this.#send(listener, text);
  }

  #send(listener: Listener, text: string): void {
    if ((listener.desiredSize ?? 0) > 0) return listener.enqueue(encoder.encode(text));
    this.listeners.delete(listener);
    listener.error(new RangeError("the browser takes nothing"));
  }
}

/** Streams of server-sent events. While nobody listens nothing is read. */
export class Events {
  readonly #feeds = new Map<string, Feed>();
  listeners = 0;

  constructor(private readonly site: Site, private readonly onError: (error: unknown) => void) {}

  /** A stream of what changes on a page. */
  async open(address: URL): Promise<Response> {
    if (this.listeners >= MOST_LISTENERS) return say(503, `at most ${MOST_LISTENERS} pages listen at a time`);
    const look = await this.site.look(address);
    if (look === undefined) return say(404, "there is no such page");
    const feed = this.#feeds.getOrInsertComputed(address.href, () => new Feed(this.site, address, this.onError));
    const left = new DisposableStack();
    this.listeners++;
    left.defer(() => {
      this.listeners--;
      if (feed.listeners.size === 0) this.#feeds.delete(address.href);
    });
    const start = (listener: Listener) => {
      left.defer(() => feed.listeners.delete(listener));
      const beat = setInterval(() => {
        // One that was left to ask anew has no size.
        if (listener.desiredSize === null) left.dispose();
        else listener.enqueue(encoder.encode(": \n\n"));
      }, HEARTBEAT_MS);
      left.defer(() => clearInterval(beat));
      feed.add(listener, look);
    };
    const waiting = new ByteLengthQueuingStrategy({ highWaterMark: MOST_WAITING });
    return answer(new ReadableStream<Uint8Array>({ start, cancel: () => left.dispose() }, waiting), TYPE);
  }
}
