import { z } from "zod";
import { printable } from "../diagnostic/format.ts";
import { cutText } from "./lines.ts";
import type { InputArtifact, OwnDefinition, ProgressUpdate, Share, StageContext } from "../contract/stage.ts";

/** An input as it is handed to a worker: where its files lie, and what they contain. */
export interface InputMessage extends Pick<InputArtifact, "type" | "digest" | "files"> {
  /** The folder that has the files under their names; null where the reader finds them by content. */
  readonly folder: string | null;
}

/**
 * Everything that a stage is given. With a nonce, which marks the lines that are messages, this is the first line on
 * the worker's standard input; any further line asks the worker to stop.
 */
export interface StartMessage extends Pick<StageContext, "seed" | "device" | "packages" | "externals" | "downloads"> {
  readonly params: Readonly<Record<string, unknown>>;
  readonly inputs: Readonly<Record<string, InputMessage | readonly InputMessage[] | null>>;
  readonly outputs: Readonly<Record<string, string>>;
  /** Set for a process that computes a share, which is its one output. */
  readonly share?: Share;
  readonly parts?: readonly InputMessage[];
  readonly progressFolder: string;
  /** Saved states beyond this step are not used. */
  readonly progressLimit: number;
  /** True if the process sends every report, and not only as many as people can read. */
  readonly sendsAll?: boolean;
  /** User definitions that the stage's process loads. */
  readonly definitions?: readonly Omit<OwnDefinition, "definition">[];
}

/** Text from a stage, made printable: it must not act on the terminal or the log that it comes to. */
const text = z.string().overwrite((said) => printable(said));
/** A stage's own message, made printable and cut, since it may have any length. */
const message = z.string().overwrite((said) => printable(cutText(said)));
/** A text within a line, made printable and cut. */
export const lineOf = (longest: number) => z.string().overwrite((said) => printable(said.slice(0, longest), " "));
const word = lineOf(100);

/** Largest PNG of a preview, in bytes: in base64 it fits into one line of a message. */
export const MAX_PREVIEW_BYTES = 750_000;

export const stageEndSchema = z.union([
  z.strictObject({ status: z.literal("interrupted"), step: z.number() }),
  z.strictObject({
    status: z.literal("failed"),
    message,
    fix: message.exactOptional(),
    notFinite: message.exactOptional(),
  }),
]);

/** JSON writes null for NaN and infinities. */
const figureSchema = z.union([z.number(), word, z.null().transform(() => NaN)]);

const updateFields = {
  done: z.number(),
  total: z.number(),
  unit: word,
  figures: z.record(lineOf(40), figureSchema).exactOptional(),
  images: z.number().exactOptional(),
};
const updateSchema: z.ZodType<ProgressUpdate> = z.strictObject(updateFields);

const progress = z.strictObject({ type: z.literal("progress"), update: updateSchema });
const otherEvents = [
  z.strictObject({ type: z.enum(["note", "warn"]), message: text }),
  z.strictObject({ type: z.literal("saved"), step: z.number() }),
  /** A state is about to be there: it waits until `curve-STEP` is in the folder of progress. */
  z.strictObject({ type: z.literal("saving"), step: z.int().min(0) }),
  /** The state that the program goes on from; null for none. */
  z.strictObject({ type: z.literal("loaded"), step: z.int().min(0).nullable() }),
  z.strictObject({
    type: z.literal("preview"),
    step: z.int().min(0),
    /** Empty if the PNG is too large. */
    png: z.base64(),
    seconds: z.number().min(0).exactOptional(),
  }),
] as const;
const eventSchema = z.union([progress, ...otherEvents]);

/** The events of a program of the user's, each in one line of JSON. */
export const programEventSchema = z.union([
  z.strictObject({ type: z.literal("progress"), ...updateFields, unit: word.default("step") }).transform(
    ({ type, ...update }) => ({ type, update }),
  ),
  ...otherEvents,
  /** An expected failure, which it explains. */
  z.strictObject({ type: z.literal("failed"), message, fix: message }),
  /** Params that it has not read. */
  z.strictObject({ type: z.literal("unread"), params: z.array(word) }),
  /** A file that it opens, or a folder that it lists, where nothing is but what its stage names. */
  z.strictObject({ type: z.literal("outside"), path: message }),
  /** An error that ends one of the ranks that it has started. */
  z.strictObject({ type: z.literal("crashed"), message }),
  /** Modules outside its folder that it loaded. */
  z.strictObject({ type: z.literal("modules"), files: z.array(message) }),
  /** From a node, if it runs on several: its end there. */
  z.strictObject({ type: z.literal("ended"), code: z.int() }),
  /** From the containment: processes were left when it ended. */
  z.strictObject({ type: z.literal("left") }),
]);

export type StageEvent = z.output<typeof eventSchema>;

const PROGRESS_INTERVAL_MS = 100;

/**
 * Passes events on, but drops progress that comes faster than anybody can read: never the last report, nor the last
 * before a stage falls silent, since viewers would then see the stage farther back than it is.
 * @returns also a function that passes on what waits
 */
export function throttleProgress(send: (event: StageEvent) => void) {
  let last = -Infinity;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let waiting: StageEvent | undefined;
  const flush = () => {
    clearTimeout(timer);
    if (waiting !== undefined) send(waiting);
    waiting = undefined;
  };
  const emit = (event: StageEvent) => {
    if (event.type !== "progress") return send(event);
    clearTimeout(timer);
    waiting = event;
    const now = performance.now();
    if (now - last < PROGRESS_INTERVAL_MS && event.update.done < event.update.total) {
      timer = setTimeout(flush, PROGRESS_INTERVAL_MS);
      return;
    }
    last = now;
    flush();
  };
  return { emit, flush };
}

const endSchema = z.union([
  z.strictObject({ status: z.literal("complete") }),
  stageEndSchema,
  /** The stage threw, which is a bug in the stage. */
  z.strictObject({ status: z.literal("crashed"), message: text, stack: text }),
]);

/** A message from a worker. The parent rejects every message that does not have this shape. */
export const workerMessageSchema = z.union([
  eventSchema,
  z.strictObject({ type: z.literal("end"), end: endSchema }),
]);

/** How a stage's code ended, from the parent's point of view. */
export type StageOutcome =
  | z.output<typeof endSchema>
  /** The process ended without recording a result: killed, out of memory, lost. */
  | { readonly status: "lost"; readonly message: string; readonly fix?: string }
  | { readonly status: "timeout"; readonly message: string };

/** Returns the outcome of a stage that could not do its work, with what to do about it. */
export function failed(message: string, fix: string): StageOutcome {
  return { status: "failed", message, fix };
}

/**
 * Returns the prefix that makes a line a message: a record separator, which no text output begins with, and the nonce.
 */
export function messagePrefix(nonce: string): string {
  return `\u001e${nonce} `;
}
