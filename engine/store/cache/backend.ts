import { definedOnly } from "../../../std/defined_only.ts";
/** Why a cache did not do what it was asked. Nothing of this ever fails a run. */
export interface Trouble {
  /**
   * - `busy`: it may work if asked again soon;
   * - `unreachable`: there was no answer in time, or there is no such place;
   * - `denied`: this one request is not allowed, others may be;
   * - `refused`: no request will succeed as things are, such as with a wrong key or bucket;
   * - `unfit`: this one file cannot be stored;
   * - `stopped`: the user wants to stop.
   */
  readonly kind: "busy" | "unreachable" | "denied" | "refused" | "unfit" | "stopped";
  readonly message: string;
  readonly fix?: string;
}

export type Answer<T> = { readonly value: T } | { readonly trouble: Trouble };

export function trouble(kind: Trouble["kind"], message: string, fix?: string): { readonly trouble: Trouble } {
  return { trouble: definedOnly({ kind, message, fix }) };
}

/** What is to be stored: bytes, or a file that is read as it is sent. */
export interface Content {
  readonly sha256: string;
  readonly size: number;
  readonly from: { readonly bytes: Uint8Array<ArrayBuffer> } | { readonly file: string };
}

/**
 * A place that keeps files by name and is shared between machines. It has no locks and no listing, and nothing that is
 * read from it is believed: that is the business of its users.
 */
export interface CacheBackend {
  /** Where it is: the same however the user wrote it, and of no two places. */
  readonly place: string;

  /** Larger files cannot be stored. */
  readonly maxBytes: number;

  /** The content of a file, undefined where there is none. Reading the stream can still fail. */
  open(name: string, signal: AbortSignal): Promise<Answer<ReadableStream<Uint8Array<ArrayBuffer>> | undefined>>;

  /** The size of a file, undefined where there is none. */
  size(name: string, signal: AbortSignal): Promise<Answer<number | undefined>>;

  /**
   * Store a file under a name, as a whole or not at all. The first to come wins, unless `replace` is set or the place
   * cannot do that.
   */
  create(name: string, content: Content, options: CreateOptions): Promise<Answer<"created" | "exists">>;

  /**
   * Find out, before the first file is stored, whether the first of two writers wins.
   * @returns what to warn of
   */
  prepare(signal: AbortSignal): Promise<Answer<string | undefined>>;
}

export interface CreateOptions {
  readonly signal: AbortSignal;
  readonly replace: boolean;
}
