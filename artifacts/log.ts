import { z } from "zod";
import type { InputArtifact, OutputArtifact } from "../engine/contract/stage.ts";
import { FormatError } from "../science/formats/format_error.ts";
import { LOG_FILE } from "../schemas/log.ts";
import { fileOf, parseJson, parseRecord } from "./record.ts";

const lineSchema = z.looseObject({
  step: z.int().min(0),
  // A program's figure may not be finite.
  loss: z.number().nullish(),
  gradNorm: z.number().nullish(),
  learningRate: z.number().nullish(),
});

/** One line of any log. */
type LogLine = z.output<typeof lineSchema>;

/** The lines of `log.jsonl`, each with its line end. */
export type TrainLog = readonly string[];

export interface TrainLogEntry {
  /** Number of the update, from 1. */
  readonly step: number;
  /** Mean of the training loss over the step's batch, before the update; not smoothed. */
  readonly loss: number;
  /** Global norm of the gradient before clipping. */
  readonly gradNorm: number;
  readonly learningRate: number;
  /** If asked for: mean loss of the images in each bucket of timesteps, null for a bucket without images. */
  readonly lossByTimestep?: readonly (number | null)[] | undefined;
  /** If the loss is a sum of terms: their means over the batch, by name. */
  readonly terms?: Readonly<Record<string, number>> | undefined;
}

/** Returns one line of the log, with its line end. Its numbers must be finite: JSON has no others. */
export function logLine({ step, loss, gradNorm, learningRate, lossByTimestep, terms }: TrainLogEntry): string {
  return `${JSON.stringify({ step, loss, gradNorm, learningRate, lossByTimestep, terms })}\n`;
}

/** Splits the text of a saved log into lines, each with its line end. */
export function splitLog(text: string): string[] {
  return text.split("\n").slice(0, -1).map((line) => `${line}\n`);
}

export async function writeLog(output: OutputArtifact, log: TrainLog): Promise<void> {
  await output.write(LOG_FILE, log.join(""));
}

/** @throws FormatError when the artifact's file is not a log */
export async function readLog(artifact: Pick<InputArtifact, "files" | "readText">): Promise<LogLine[]> {
  const text = await artifact.readText(fileOf(artifact, LOG_FILE).path);
  if (!/(?:^|\n)\s*$/.test(text)) {
    throw new FormatError(LOG_FILE, { got: "a last line that is cut off", wanted: "JSON lines" });
  }
  return text.split("\n").filter((line) => line.trim() !== "").map((line, i) => {
    const name = `${LOG_FILE}, record ${i + 1}`;
    return parseRecord(name, parseJson(name, line), lineSchema);
  });
}

export { readLog as validate };
