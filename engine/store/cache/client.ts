import { Buffer } from "node:buffer";
import { delay } from "@std/async";
import type { Diagnostic } from "../../diagnostic/diagnostic.ts";
import { Semaphore } from "../../../std/semaphore.ts";
import { MAX_RECORD_BYTES } from "../reading.ts";
import { type Answer, type CacheBackend, type Content, type Trouble, trouble } from "./backend.ts";

/** Time limits, in milliseconds, and numbers of tries. */
export const PATIENCE = {
  /** For the answer to a request, or the first byte of a file. */
  answerMs: 5_000,
  /** For the next bytes of a file. */
  stallMs: 15_000,
  /** Before the first retry; each further one waits twice as long. */
  backOffMs: 250,
  /** The most tries of a read, and of a write, for which nobody waits. */
  readTries: 3,
  writeTries: 5,
  /** Between two checks of what another machine computes. */
  lookMs: 10_000,
};

export type Patience = Readonly<typeof PATIENCE>;

/** Ticks of one {@linkcode Countdown}. */
const TICKS = 20;
const READS_AT_ONCE = 16;
const WRITES_AT_ONCE = 8;

/** The limit of a record together with the line that holds its checksum. */
const MAX_SEALED_BYTES = MAX_RECORD_BYTES + 100;
/** Records above this size, or files in their place, are read one at a time: each is held in memory as a whole. */
const SMALL_BYTES = 1 << 20;

/** A transfer may take as long as this slow a connection needs for the file, and some more. */
const SLOWEST_BYTES_PER_MS = 50;

export interface ClientOptions {
  /** The place as the user wrote it. */
  readonly name: string;
  readonly warn: (diagnostic: Diagnostic) => void;
  readonly stop: AbortSignal;
  readonly patience?: Partial<Patience>;
  /**
   * The owner of claims, and its name as others show it; by default this process and its host. All attempts at a job
   * are one owner, so that none of them waits for the claim of an earlier one.
   */
  readonly claimant?: { readonly owner: string; readonly host: string };
}

/**
 * A cache as the engine talks to it: it retries for a while, then falls silent. The first failure is reported, and from
 * then on the answer is that nothing is there. Reading and writing are given up separately: a network that is down when
 * a training starts may be back when it ends.
 */
export class CacheClient {
  readonly patience: Patience;
  readonly #reading = new Semaphore(READS_AT_ONCE);
  readonly #large = new Semaphore(1);
  readonly #writing = new Semaphore(WRITES_AT_ONCE);
  #warned = false;
  #reads = true;

  constructor(readonly backend: CacheBackend, readonly options: ClientOptions) {
    this.patience = { ...PATIENCE, ...options.patience };
  }

  /** True while reading from the cache may succeed. */
  get reads(): boolean {
    return this.#reads && !this.options.stop.aborted;
  }

  /** Reports a failure, the first time only: the second cause is nearly always the first one again. */
  warn(message: string, fix?: string): void {
    if (this.#warned || this.options.stop.aborted) return;
    this.#warned = true;
    const { name, warn } = this.options;
    warn({ severity: "warning", code: "cache", message: `The shared cache ${name}: ${message}`, fix });
  }

  /** Reads a whole record; undefined if there is none or nobody answers, empty if it is too large for a record. */
  async read(name: string): Promise<Uint8Array | undefined> {
    const content = await this.#readUpTo(SMALL_BYTES, name);
    return content?.length === 0 ? await this.#large.run(() => this.#readUpTo(MAX_SEALED_BYTES, name)) : content;
  }

  async #readUpTo(most: number, name: string): Promise<Uint8Array | undefined> {
    let chunks: Uint8Array[] = [];
    let left = most;
    const begin = () => {
      chunks = [];
      left = most;
      return (chunk: Uint8Array) => {
        chunks.push(chunk);
        left -= chunk.length;
        return left >= 0;
      };
    };
    if (!await this.stream(name, begin)) return undefined;
    return left < 0 ? new Uint8Array() : Buffer.concat(chunks);
  }

  /**
   * Reads a file piece by piece.
   * @param begin called before each try; returns a function that takes the pieces, and returns false to stop. Errors of
   * that function are thrown.
   * @returns false if there is no such file or nobody answers
   */
  async stream(name: string, begin: () => (chunk: Uint8Array) => boolean): Promise<boolean> {
    const once = async (): Promise<Answer<boolean>> => {
      // Other reads may have found the cache unreachable while this one stood in line.
      if (!this.reads) return trouble("unreachable", "given up before");
      const take = begin();
      const opened = await this.#within(this.patience.answerMs, (signal) => this.backend.open(name, signal));
      if ("trouble" in opened) return opened;
      return opened.value === undefined ? { value: false } : await this.#drain(opened.value, take);
    };
    const answer = await this.#reading.run(() => this.#try(this.patience.readTries, once));
    if (!("trouble" in answer)) return answer.value;
    this.#giveUpReading(answer.trouble);
    return false;
  }

  /** The size of a file; undefined if there is none. */
  async size(name: string): Promise<Answer<number | undefined>> {
    const ask = (signal: AbortSignal) => this.backend.size(name, signal);
    return await this.#writing.run(() => this.#askWithin(this.patience.answerMs, this.#writeTries, ask));
  }

  async create(name: string, content: Content, replace: boolean): Promise<Answer<"created" | "exists">> {
    const limitMs = 6 * this.patience.answerMs + content.size / SLOWEST_BYTES_PER_MS;
    const send = (signal: AbortSignal) => this.backend.create(name, content, { signal, replace });
    return await this.#writing.run(() => this.#askWithin(limitMs, this.#writeTries, send));
  }

  async prepare(): Promise<Answer<string | undefined>> {
    // A run that only sends what earlier runs left should not wait long for a place that cannot be reached.
    const tries = Math.min(this.#writeTries, 2);
    return await this.#askWithin(this.patience.answerMs, tries, (signal) => this.backend.prepare(signal));
  }

  #askWithin<T>(limitMs: number, tries: number, ask: (signal: AbortSignal) => Promise<Answer<T>>): Promise<Answer<T>> {
    return this.#try(tries, () => this.#within(limitMs, ask));
  }

  /** After reading has failed in all its tries, writing gets one. */
  get #writeTries(): number {
    return this.#reads ? this.patience.writeTries : 1;
  }

  async #try<T>(tries: number, ask: () => Promise<Answer<T>>): Promise<Answer<T>> {
    for (let attempt = 1;; attempt++) {
      if (this.options.stop.aborted) return trouble("stopped", "stopped");
      const answer = await ask();
      if (!("trouble" in answer) || attempt >= tries || answer.trouble.kind !== "busy") return answer;
      await delay(this.patience.backOffMs * 2 ** (attempt - 1), { signal: this.options.stop }).catch(() => {});
    }
  }

  /**
   * Asks with a time limit. A backend may hang where no signal reaches it, as system calls on a dead mount do, so the
   * wait ends here.
   */
  async #within<T>(limitMs: number, ask: (signal: AbortSignal) => Promise<Answer<T>>): Promise<Answer<T>> {
    // Not `AbortSignal.any`: its signal, and with it each piece that was read, would live as long as `stop` does.
    const asked = new AbortController();
    const { promise: ended, resolve: end } = Promise.withResolvers<{ readonly trouble: Trouble }>();
    const abort = () => {
      asked.abort();
      end(trouble("unreachable", "no answer in time"));
    };
    using _countdown = new Countdown(limitMs, abort);
    const { stop } = this.options;
    stop.addEventListener("abort", abort, { once: true });
    if (stop.aborted) abort();
    try {
      return await Promise.race([ask(asked.signal), ended]);
    } finally {
      stop.removeEventListener("abort", abort);
    }
  }

  async #drain(stream: ReadableStream<Uint8Array>, take: (chunk: Uint8Array) => boolean): Promise<Answer<boolean>> {
    const reader = stream.getReader();
    let whole = false;
    // A clock for the whole file: a file that arrives drop by drop runs out of time, too.
    using pace = new Countdown(6 * this.patience.answerMs);
    try {
      while (true) {
        const next = await this.#within(this.patience.stallMs, async () => {
          try {
            return { value: await reader.read() };
          } catch (error) {
            return trouble("busy", `the connection broke: ${(error as Error).message}`);
          }
        });
        if ("trouble" in next) return next;
        whole = next.value.done;
        if (whole || !take(next.value.value!)) return { value: true };
        pace.extend(next.value.value!.length / SLOWEST_BYTES_PER_MS);
        if (pace.isOver) return trouble("unreachable", "it is too slow");
      }
    } finally {
      if (!whole) reader.cancel().catch(() => {});
    }
  }

  #giveUpReading({ kind, message, fix }: Trouble): void {
    if (kind === "stopped") return;
    if (kind === "denied") {
      // S3 gives the same answer for missing files, to users who may not list the bucket.
      const hint = fix ??
        "allow reading and s3:ListBucket; without the latter, missing files look forbidden";
      this.warn(`reading was denied: ${message}; what cannot be read is computed here`, hint);
      return;
    }
    this.#reads = false;
    this.warn(`cannot be reached: ${message}; going on with the local store only`, fix);
  }
}

/**
 * Counts a time down in ticks: while stages keep this process busy for seconds, answers lie unread, and one long timer
 * would fire before the first of them is looked at.
 */
class Countdown implements Disposable {
  readonly #timer: ReturnType<typeof setInterval>;
  #leftMs: number;

  constructor(ms: number, onEnd: () => void = () => {}) {
    this.#leftMs = ms;
    this.#timer = setInterval(() => {
      this.#leftMs -= ms / TICKS;
      if (this.isOver) onEnd();
    }, ms / TICKS);
  }

  get isOver(): boolean {
    return this.#leftMs <= 0;
  }

  extend(ms: number): void {
    this.#leftMs += ms;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
