import { STAGE_ID_PATTERN } from "../../../schemas/pipeline_file.ts";
import type { DocumentPath } from "../../diagnostic/document.ts";
import { asMap, isRecord } from "../source/tree.ts";
import { AXIS_NAME, LABEL } from "./axes.ts";

/** A parsed `stage[~axis=value…][@extent][.port]`. */
export interface Reference {
  readonly stage: string;
  /** The values of a matrix that were named, by axis. */
  readonly select?: Readonly<Record<string, string>>;
  readonly extent?: number;
  readonly port?: string;
}

const SELECTION = `~${AXIS_NAME}=${LABEL}`;
const REFERENCE = new RegExp(`^([^@.~\\s]+)((?:${SELECTION})*)(?:@(\\d+))?(?:\\.([A-Za-z][A-Za-z0-9_]*))?$`);

/** Matches a reference from an inner pipeline to one of its inputs. */
export const INPUT: RegExp = /^inputs\.([a-z][a-z0-9_-]*)$/;

/** Parses a reference; undefined if the text is not one. */
export function parseReference(text: string): Reference | undefined {
  const match = REFERENCE.exec(text);
  if (match === null) return undefined;
  const [, stage, selections, extent, port] = match;
  if (!STAGE_ID_PATTERN.test(stage!)) return undefined;
  const pairs = selections!.split("~").slice(1).map((pair) => pair.split("=") as [string, string]);
  const select: Record<string, string> = Object.fromEntries(pairs);
  const steps = extent === undefined ? 1 : Number(extent);
  if (Object.keys(select).length < pairs.length || !Number.isSafeInteger(steps) || steps < 1) return undefined;
  return {
    stage: stage!,
    ...pairs.length > 0 && { select },
    ...extent !== undefined && { extent: steps },
    ...port !== undefined && { port },
  };
}

/** Splits a stage's id into the stage of the file and the values of a matrix that made this child of it. */
export function parseStageId(id: string): Required<Pick<Reference, "stage" | "select">> {
  const { select = {}, ...node } = parseReference(id) ?? { stage: id };
  return { stage: nodeIdOf(node), select };
}

/** Returns the id of the child of a matrix whose values are all named, as `train~lr=0.1`; else of the stage itself. */
export function stageIdOf({ stage, select = {} }: Reference): string {
  return `${stage}${Object.keys(select).sort().map((axis) => `~${axis}=${select[axis]}`).join("")}`;
}

/** Returns the stage that a reference names; an empty text if there is no reference. */
export function stageIn(text: unknown): string {
  const reference = typeof text === "string" ? parseReference(text) : undefined;
  return reference === undefined ? "" : stageIdOf(reference);
}

/** Returns the id of the node that a reference means: `train`, or `train@2000`. */
export function nodeIdOf(reference: Reference): string {
  const stage = stageIdOf(reference);
  return reference.extent === undefined ? stage : `${stage}@${reference.extent}`;
}

/** Returns the inputs of a stage that is not checked yet; none if it has none, or something else in their place. */
export function inputsOf(entry: unknown): Readonly<Record<string, unknown>> {
  return asMap(asMap(entry)["inputs"]);
}

/** A text in a stage that should be a reference. */
export interface ReferenceText {
  readonly text: unknown;
  /** The path of the text, in the stage or in the document. */
  readonly at: DocumentPath;
  /** The input port that the text is for; undefined under `needs`. */
  readonly port: string | undefined;
  /** True if the text is in a list. */
  readonly listed: boolean;
}

/** Returns the texts at a place that holds one or a list of them. */
export function textsAt(written: unknown, at: DocumentPath, port?: string): ReferenceText[] {
  const listed = Array.isArray(written);
  return [written].flat().map((text, index) => ({ text, at: listed ? [...at, index] : at, port, listed }));
}

/** Returns a stage in which each text under `inputs` and `needs` is replaced by the texts that `change` returns. */
export function mapReferences(
  entry: Readonly<Record<string, unknown>>,
  change: (one: ReferenceText) => readonly unknown[],
): Record<string, unknown> {
  const changed = (written: unknown, at: DocumentPath, port?: string) => {
    const texts = textsAt(written, at, port).flatMap(change);
    return Array.isArray(written) || texts.length !== 1 ? texts : texts[0];
  };
  const { inputs, needs } = entry;
  const result = { ...entry };
  if (isRecord(inputs)) {
    const ports = Object.entries(inputs).map(([port, written]) => [port, changed(written, ["inputs", port], port)]);
    result["inputs"] = Object.fromEntries(ports);
  }
  if (needs !== undefined) result["needs"] = changed(needs, ["needs"]);
  return result;
}
