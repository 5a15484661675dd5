import type { Origins } from "../diagnostic/document.ts";
import type { Stage } from "../keys/stage.ts";
import { type Diagnostic, errorOf } from "../diagnostic/diagnostic.ts";
import { suggestName } from "../../std/did_you_mean.ts";
import { parseReference } from "./compose/reference.ts";

/** A pipeline that may be planned and run: only `loadPipeline` makes one. */
export interface Pipeline {
  readonly name: string;
  readonly seed: number;
  /** The file as the user named it. */
  readonly file: string;
  /** The question that the comments at the top of the file say it answers. */
  readonly question?: string | undefined;
  /** Folder of the pipeline file; relative paths in it start here. */
  readonly folder: string;
  readonly overrides: readonly string[];
  readonly profiles: readonly string[];
  /** Names of the profiles in the file. */
  readonly knownProfiles: readonly string[];
  /** Names of the inputs that other pipelines have to give to this one, which then cannot be run by itself. */
  readonly given: readonly string[];
  /** Ordered so that every stage comes after those that it reads. */
  readonly stages: ReadonlyMap<string, Stage>;
  /** Children of a matrix, and stages of a nested pipeline, by the id that the file gives to all of them together. */
  readonly families: ReadonlyMap<string, readonly string[]>;
  /** Stages of the file that are left out, each with the reason. */
  readonly leftOut: ReadonlyMap<string, string>;
  readonly origins: Origins;
}

/**
 * Finds the stages that names on the command line mean: stages, stages at an extent, and for a matrix all children or
 * those with the named values (`train~lr=0.1`).
 */
export function selectStages(pipeline: Pipeline, names: readonly string[]) {
  const stages = new Set<string>();
  const problems: Diagnostic[] = [];
  for (const name of names) {
    const known = pipeline.stages.has(name);
    const found = known ? [name] : childrenOf(pipeline, name);
    for (const id of found) stages.add(id);
    if (found.length > 0) continue;
    const reason = leftOutReason(pipeline, name);
    // Labels have numbers in their shortest form; the file may have 1e-3.
    const plain = name.replaceAll(/(?<==)[^~@=]+/g, (label) => `${Number.isNaN(+label) ? label : +label}`);
    const names = childrenOf(pipeline, plain).length > 0
      ? [plain]
      : [...pipeline.families.keys(), ...pipeline.stages.keys()];
    const [message, fix] = reason === undefined
      ? [`pipeline "${pipeline.name}" has no stage "${name}"`, suggestName(name, names)]
      : [`stage "${name}" is left out: ${reason}`, "change a value in its condition"];
    problems.push(errorOf("unknown-stage", message, fix));
  }
  return { stages: [...stages], problems };
}

function childrenOf({ families, stages }: Pipeline, name: string): string[] {
  const reference = parseReference(name);
  if (reference === undefined || reference.port !== undefined) return [];
  const { stage, select = {}, extent } = reference;
  const suffix = extent === undefined ? "" : `@${extent}`;
  return (families.get(stage) ?? []).filter((child) => {
    const values = parseReference(child)?.select ?? {};
    return Object.entries(select).every(([axis, label]) => values[axis] === label);
  }).map((child) => `${child}${suffix}`).filter((child) => stages.has(child));
}

/** Returns why a stage of the file is left out; for a matrix, why its first child is. */
function leftOutReason({ leftOut }: Pipeline, name: string): string | undefined {
  const id = name.replace(/@\d+$/, "");
  return leftOut.get(id) ??
    [...leftOut].find(([child]) => child.startsWith(`${id}~`) || child.startsWith(`${id}/`))?.[1];
}
