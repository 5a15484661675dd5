import { z } from "zod";
import { printable } from "../diagnostic/format.ts";
import { cutText } from "./lines.ts";
import type { InputArtifact, OwnDefinition, ProgressUpdate, Shard, StageContext } from "../../contract/stage.ts";

/** An input as it is handed to a worker: where its files lie, and what they are. */
export interface InputMessage extends Pick<InputArtifact, "type" | "digest" | "files"> {
  /** Where the files are laid out under their names; null where the reader finds them by content. */
  readonly folder: string | null;
}

/**
 * All that a stage gets. With a nonce, which marks the lines that are messages, the first line on the worker's standard
 * input; any further line asks it to stop.
 */
export interface StartMessage extends Pick<StageContext, "seed" | "device" | "packages" | "externals" | "downloads"> {
  readonly params: Readonly<Record<string, unknown>>;
  readonly inputs: Readonly<Record<string, InputMessage | readonly InputMessage[] | null>>;
  readonly outputs: Readonly<Record<string, string>>;
  /** Of a shard, whose one output is `part`. */
  readonly shard?: Shard;
  readonly parts?: readonly InputMessage[];
  readonly progressFolder: string;
  /** States beyond this step are not used. */
  readonly progressLimit: number;
  /** Definitions of the user's own that its process loads. */
  readonly definitions?: readonly Omit<OwnDefinition, "definition">[];
}

/** What a stage says may not act on the terminal or the log that it comes to. */
const text = z.string().overwrite((said) => printable(said));
/** The same for what it says by itself, which may be of any length. */
const message = z.string().overwrite((said) => printable(cutText(said)));
/** The same for what stands within a line. */
export const lineOf = (longest: number) => z.string().overwrite((said) => printable(said.slice(0, longest), " "));
const word = lineOf(100);

/** Longest PNG of a preview: in base64 it fits into one line of a message. */
export const MAX_PREVIEW_BYTES = 750_000;

export const stageEndSchema = z.union([
  z.strictObject({ status: z.literal("interrupted"), step: z.number() }),
  z.strictObject({ status: z.literal("failed"), message, fix: message.exactOptional() }),
]);

/** JSON has null for what is no finite number. */
const figureSchema = z.union([z.number(), word, z.null().transform(() => NaN)]);

const updateSchema: z.ZodType<ProgressUpdate> = z.strictObject({
  done: z.number(),
  total: z.number(),
  unit: word,
  figures: z.record(lineOf(40), figureSchema).exactOptional(),
  images: z.number().exactOptional(),
});

const eventSchema = z.union([
  z.strictObject({ type: z.literal("progress"), update: updateSchema }),
  z.strictObject({ type: z.enum(["note", "warn"]), message: text }),
  z.strictObject({ type: z.literal("saved"), step: z.number() }),
  z.strictObject({
    type: z.literal("preview"),
    step: z.int().min(0),
    /** Empty for one that is too large. */
    png: z.base64(),
    seconds: z.number().min(0).exactOptional(),
  }),
]);

export type StageEvent = z.output<typeof eventSchema>;

const endSchema = z.union([
  z.strictObject({ status: z.literal("complete") }),
  stageEndSchema,
  /** The stage threw: a bug in it. */
  z.strictObject({ status: z.literal("crashed"), message: text, stack: text }),
]);

/** The parent believes no message that does not have this shape. */
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

/** A stage that could not do its work, with what to do about it. */
export function failed(message: string, fix: string): StageOutcome {
  return { status: "failed", message, fix };
}

/** A record separator, which no text output begins with, and the nonce make a line a message. */
export function messagePrefix(nonce: string): string {
  return `\u001e${nonce} `;
}
