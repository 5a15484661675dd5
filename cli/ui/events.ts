import { answer, say } from "./guard.ts";
import type { Row, Site } from "./site.ts";

/** Pages that listen at a time, of all browsers. */
const MOST_LISTENERS = 64;
/** Bytes that wait for a browser which does not take them; then it is left to ask anew. */
const MOST_WAITING = 16 << 20;
/** Rows of one curve that are sent at once: a screen shows no more. */
const MOST_ROWS = 2_000;
const HEARTBEAT_MS = 15_000;
const AFTER_TROUBLE_MS = 10_000;

type Listener = ReadableStreamDefaultController<Uint8Array>;

const encoder = new TextEncoder();

function eventOf(name: "part" | "rows" | "gone", data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function rowsEvent([stage, rows]: readonly [string, readonly Row[]]): string {
  const every = Math.ceil(rows.length / MOST_ROWS);
  return eventOf("rows", { stage, rows: rows.filter((_, i) => i % every === 0 || i === rows.length - 1) });
}

/** What all browsers that show one page are told: what has changed since it was looked at last. */
class Feed {
  readonly listeners = new Set<Listener>();
  readonly #parts = new Map<string, string>();
  readonly #read = new Map<string, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly site: Site,
    private readonly address: URL,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Tell one more how everything is now, and from then on what changes. */
  async add(listener: Listener): Promise<void> {
    await this.#tellChanges();
    this.#send(listener, "retry: 2000\n\n");
    for (const [id, html] of this.#parts) this.#send(listener, eventOf("part", { id, html }));
    for (const rows of this.site.rowsOf(this.address, new Map())) this.#send(listener, rowsEvent(rows));
    this.listeners.add(listener);
    this.#timer ??= setTimeout(() => this.#tick(), this.site.paceOf(this.address));
  }

  remove(listener: Listener): void {
    this.listeners.delete(listener);
    if (this.listeners.size === 0) clearTimeout(this.#timer);
  }

  async #tick(): Promise<void> {
    let pauseMs = this.site.paceOf(this.address);
    try {
      await this.#tellChanges();
    } catch (error) {
      this.onError(error);
      pauseMs = AFTER_TROUBLE_MS;
    }
    if (this.listeners.size > 0) this.#timer = setTimeout(() => this.#tick(), pauseMs);
  }

  async #tellChanges(): Promise<void> {
    const parts = await this.site.partsOf(this.address);
    if (parts === undefined) return this.#tell(eventOf("gone", {}));
    for (const part of parts) {
      if (this.#parts.get(part.id) === part.html) continue;
      this.#parts.set(part.id, part.html);
      this.#tell(eventOf("part", part));
    }
    for (const rows of this.site.rowsOf(this.address, this.#read)) this.#tell(rowsEvent(rows));
  }

  #tell(text: string): void {
    for (const listener of this.listeners) this.#send(listener, text);
  }

  #send(listener: Listener, text: string): void {
    if ((listener.desiredSize ?? 0) > 0) return listener.enqueue(encoder.encode(text));
    this.remove(listener);
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
    if (await this.site.partsOf(address) === undefined) return say(404, "there is no such page");
    const feed = this.#feeds.getOrInsertComputed(address.href, () => new Feed(this.site, address, this.onError));
    let own: Listener;
    let heartbeat: ReturnType<typeof setInterval> | undefined;
    const end = () => {
      if (heartbeat === undefined) return;
      clearInterval(heartbeat);
      heartbeat = undefined;
      this.listeners--;
      feed.remove(own);
      if (feed.listeners.size === 0) this.#feeds.delete(address.href);
    };
    const beat = () => {
      // One that was left to ask anew has no size.
      if (own.desiredSize === null) return end();
      own.enqueue(encoder.encode(": \n\n"));
    };
    const start = async (listener: Listener) => {
      own = listener;
      this.listeners++;
      heartbeat = setInterval(beat, HEARTBEAT_MS);
      await feed.add(listener);
    };
    const stream = new ReadableStream<Uint8Array>(
      { start, cancel: end },
      new ByteLengthQueuingStrategy({ highWaterMark: MOST_WAITING }),
    );
    return answer(stream, "text/event-stream");
  }
}
