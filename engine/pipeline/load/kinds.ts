import type { BuiltinKind } from "../../../contract/stage.ts";
import type { StageEntry } from "../../../schemas/pipeline_file.ts";
import type { DiagnosticCode } from "../../diagnostic/diagnostic.ts";
import { suggestName } from "../../../std/did_you_mean.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import type { Kind } from "../../keys/stage.ts";
import type { CustomOutcome, CustomRequest } from "../../process/describe.ts";
import type { KindFacts, KindsOf } from "../compose/expand.ts";
import { isRecord } from "../source/tree.ts";
import { fromBuiltin, isCustom } from "./builtin.ts";
import type { OwnKinds } from "./definitions.ts";

export type BuiltinKinds = Readonly<Record<string, BuiltinKind>>;

/** Kinds that there were, and what to do instead. */
const FORMER_KINDS: ReadonlyMap<string, string> = new Map([
  ["continue", "name the stage to go on with, at its new extent: train~rate=0.001@500"],
  ["report", "remove the stage: every run now writes this page, as outputs/<pipeline>/report.html"],
]);

/** Find the kind of every stage. Stages whose kind cannot be had map to undefined, with a problem each. */
export async function resolveKinds(
  entries: ReadonlyMap<string, StageEntry>,
  builtins: BuiltinKinds,
  { resolveFile, own, problems }: {
    readonly resolveFile: (written: string) => string;
    readonly own: OwnKinds;
    readonly problems: Problems;
  },
): Promise<Map<string, Kind | undefined>> {
  const kinds = new Map<string, Kind | undefined>();
  const known = new Map<string, Kind>();
  const report = (id: string, code: DiagnosticCode, message: string, fix: string) =>
    problems.add(["stages", id, "uses"], message, fix, { code });

  const custom = [...entries.values()].filter(({ uses }) => isCustom(uses));
  const byFile = [...Map.groupBy(custom, ({ uses }) => resolveFile(uses))];
  const described = await describeAll(
    byFile.map(([file, own]) => ({ file, written: own[0]!.uses, params: own.map((one) => one.with) })),
  );

  await own.describe(entries, builtins);

  for (const [id, { uses }] of entries) {
    kinds.set(id, undefined);
    if (isCustom(uses)) {
      const outcome = described.get(resolveFile(uses))!;
      if ("kind" in outcome) kinds.set(id, outcome.kind);
      else report(id, "kind-broken", `cannot use ${uses}: ${outcome.error}`, outcome.fix);
      continue;
    }
    const builtin = Object.hasOwn(builtins, uses) ? builtins[uses] : undefined;
    if (builtin === undefined) {
      const fix = FORMER_KINDS.get(uses) ?? suggestName(uses, Object.keys(builtins));
      report(id, "unknown-kind", `unknown kind "${uses}"`, fix);
      continue;
    }
    kinds.set(
      id,
      own.kindOf(known.getOrInsertComputed(uses, () => fromBuiltin(builtin)), builtin, entries.get(id)!.with),
    );
  }
  return kinds;
}

/** What every stage may be, as far as it is known before the matrix is expanded; custom stages are asked. */
export async function findKinds(
  root: unknown,
  builtins: BuiltinKinds,
  resolveFile: (written: string) => string,
): Promise<KindsOf> {
  const stages = isRecord(root) && isRecord(root["stages"]) ? root["stages"] : {};
  const uses = new Map(Object.entries(stages).map(([id, entry]) => [id, isRecord(entry) ? entry["uses"] : undefined]));
  const written = [...new Set(uses.values())].filter((one) => typeof one === "string");
  const custom = written.filter((one) => isCustom(one) && !one.includes("${"));
  const described = await describeAll(custom.map((one) => ({ file: resolveFile(one), written: one, params: [] })));
  const find = (one: string): KindFacts | undefined => {
    const outcome = described.get(resolveFile(one));
    if (outcome !== undefined) return "kind" in outcome ? outcome.kind : undefined;
    return Object.hasOwn(builtins, one) ? { seeded: false, ...builtins[one]! } : undefined;
  };
  return (stage) => {
    const one = uses.get(stage);
    if (typeof one !== "string") return [];
    // The matrix may choose the kind.
    const axis = /^\$\{\s*matrix\.([A-Za-z0-9_]+)\s*\}$/.exec(one)?.[1];
    return axis === undefined ? [find(one)] : axisTexts(root, stages[stage], axis).map(find);
  };
}

/** The values of an axis that are texts, from the matrix of the stage or of the pipeline. */
function axisTexts(root: unknown, entry: unknown, axis: string): string[] {
  const written = [entry, root].map((holder) =>
    isRecord(holder) && isRecord(holder["matrix"]) ? holder["matrix"][axis] : undefined
  );
  const values = written.find((each) => each !== undefined);
  const list = Array.isArray(values) ? values : isRecord(values) ? Object.values(values) : [];
  return list.filter((value) => typeof value === "string");
}

/** Describe custom stages; a pipeline without any does not load what starts processes. */
export async function describeAll(requests: readonly CustomRequest[]): Promise<ReadonlyMap<string, CustomOutcome>> {
  if (requests.length === 0) return new Map();
  const { describeCustomStages } = await import("../../process/describe.ts");
  return await describeCustomStages(requests);
}
