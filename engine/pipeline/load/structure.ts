import { type PipelineFile, pipelineFileSchema } from "../../../schemas/pipeline_file.ts";
import { validate } from "../../process/schema_issues.ts";
import { isRecord } from "../source/tree.ts";
import type { ParamIssue } from "../../../schemas/param_issue.ts";

/** A file as far as its structure is right, and what is wrong with it. */
export interface Structure {
  /** Undefined where nothing more can be said of the file. */
  readonly parsed: PipelineFile | undefined;
  readonly issues: readonly ParamIssue[];
  /** What was taken out of stages, by their ids; `uses` where nothing is left of the stage. */
  readonly broken: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Check the structure of a file. What is wrong is taken out, so that the rest can be checked too. */
export function readStructure(value: unknown): Structure {
  const broken = new Map<string, Set<string>>();
  const first = validate(pipelineFileSchema, value ?? {});
  if (first.ok) return { parsed: first.data, issues: [], broken };
  const { issues } = first;
  if (!isRecord(value) || !isRecord(value["stages"])) return { parsed: undefined, issues, broken };
  const file: Record<string, unknown> = { ...value, name: "unnamed" };
  const stages: Record<string, unknown> = { ...value["stages"] };
  for (const { path: [root, stage, part], keys = [] } of issues) {
    const id = String(stage);
    const entry = stages[id];
    if (root !== "stages" || stage === undefined) { for (const key of [root ?? "", ...keys]) delete file[key]; }
    else if (isRecord(entry) && part !== "uses") {
      // Keys that are not known were in no one's way.
      if (part !== undefined) broken.set(id, (broken.get(id) ?? new Set()).add(String(part)));
      stages[id] = Object.fromEntries(
        Object.entries(entry).filter(([key]) => key !== part && (part !== undefined || !keys.includes(key))),
      );
    } else {
      broken.set(id, new Set(["uses"]));
      delete stages[id];
    }
  }
  const rest = validate(pipelineFileSchema, { name: "unnamed", ...file, stages });
  return { parsed: rest.ok ? rest.data : undefined, issues, broken };
}
