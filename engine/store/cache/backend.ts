import { definedOnly } from "../../../std/defined_only.ts";
/** Why a cache did not do what it was asked to do. Such a failure never fails a run. */
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

/** The content to store: bytes, or a file that is read while it is sent. */
export interface Content {
  readonly sha256: string;
  readonly size: number;
  readonly from: { readonly bytes: Uint8Array<ArrayBuffer> } | { readonly file: string };
}

/**
 * A place that keeps files by name and is shared between machines. It has no locks and no listing, and its users check
 * everything that they read from it.
 */
export interface CacheBackend {
  /** The address of the place: the same however the user wrote it, and different for different places. */
  readonly place: string;

  /** The size in bytes of the largest file that can be stored. */
  readonly maxBytes: number;

  /** The content of a file; undefined if there is none. Reading the stream can still fail. */
  open(name: string, signal: AbortSignal): Promise<Answer<ReadableStream<Uint8Array<ArrayBuffer>> | undefined>>;

  /** The size of a file in bytes; undefined if there is none. */
  size(name: string, signal: AbortSignal): Promise<Answer<number | undefined>>;

  /**
   * Stores a file under a name, as a whole or not at all. The first writer wins, unless `replace` is set or the place
   * cannot guarantee that.
   */
  create(name: string, content: Content, options: CreateOptions): Promise<Answer<"created" | "exists">>;

  /**
   * Finds out, before the first file is stored, whether the first of two writers wins.
   * @returns a warning for the user, if there is one
   */
  prepare(signal: AbortSignal): Promise<Answer<string | undefined>>;
}

export interface CreateOptions {
  readonly signal: AbortSignal;
  readonly replace: boolean;
}
