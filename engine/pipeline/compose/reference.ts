import { STAGE_ID_PATTERN } from "../../../schemas/pipeline_file.ts";
import type { DocumentPath } from "../../diagnostic/document.ts";
import { asMap, isRecord } from "../source/tree.ts";
import { AXIS_NAME, LABEL } from "./axes.ts";

/** A parsed `stage[~axis=value…][@extent][.port]`. */
export interface Reference {
  readonly stage: string;
  /** Values of a matrix that were named, by axis. */
  readonly select?: Readonly<Record<string, string>>;
  readonly extent?: number;
  readonly port?: string;
}

const SELECTION = `~${AXIS_NAME}=${LABEL}`;
const REFERENCE = new RegExp(`^([^@.~\\s]+)((?:${SELECTION})*)(?:@(\\d+))?(?:\\.([A-Za-z][A-Za-z0-9_]*))?$`);

/** Matches a reference from an inner pipeline to one of its inputs. */
export const INPUT: RegExp = /^inputs\.([a-z][a-z0-9_-]*)$/;

/** Parse a reference; undefined where the text is none. */
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

/** A stage's id taken apart: the stage of the file, and the values of a matrix that made this child of it. */
export function parseStageId(id: string): Required<Pick<Reference, "stage" | "select">> {
  const { select = {}, ...node } = parseReference(id) ?? { stage: id };
  return { stage: nodeIdOf(node), select };
}

/** The id of a child of a matrix, `train~lr=0.1`, whose values are all named; else the stage itself. */
export function stageIdOf({ stage, select = {} }: Reference): string {
  return `${stage}${Object.keys(select).sort().map((axis) => `~${axis}=${select[axis]}`).join("")}`;
}

/** The id of the node that a reference means: `train`, or `train@2000`. */
export function nodeIdOf(reference: Reference): string {
  const stage = stageIdOf(reference);
  return reference.extent === undefined ? stage : `${stage}@${reference.extent}`;
}

/** The inputs of a stage that is not checked yet; none where it says none, or something else. */
export function inputsOf(entry: unknown): Readonly<Record<string, unknown>> {
  return asMap(asMap(entry)["inputs"]);
}

/** One text of a stage that should be a reference. */
export interface ReferenceText {
  readonly text: unknown;
  /** Its place within the stage. */
  readonly at: DocumentPath;
  /** Undefined under `needs`. */
  readonly port: string | undefined;
  /** Whether it stands in a list. */
  readonly listed: boolean;
}

/** The texts at a place that holds one or a list of them. */
export function textsAt(written: unknown, at: DocumentPath, port?: string): ReferenceText[] {
  const listed = Array.isArray(written);
  return [written].flat().map((text, index) => ({ text, at: listed ? [...at, index] : at, port, listed }));
}

/** A stage with other references: each text under `inputs` and `needs` gives way to as many as `change` makes of it. */
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
