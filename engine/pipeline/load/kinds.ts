import type { BuiltinKind } from "../../../contract/stage.ts";
import type { StageEntry } from "../../../schemas/pipeline_file.ts";
import { rolesOf } from "../../../schemas/roles.ts";
import type { DiagnosticCode } from "../../diagnostic/diagnostic.ts";
import { suggestName } from "../../../std/did_you_mean.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import type { ParamsOutcome } from "../../../schemas/param_issue.ts";
import type { Kind } from "../../keys/kind.ts";
import type { CustomOutcome, CustomRequest } from "../../process/describe.ts";
import { noteLocated } from "../../process/read_log.ts";
import { validateParams } from "../../process/schema_issues.ts";

export type BuiltinKinds = Readonly<Record<string, BuiltinKind>>;

/** Kinds that there were, and what to do instead. */
const FORMER_KINDS: ReadonlyMap<string, string> = new Map([
  ["continue", "name the stage to go on with, at its new extent: train~rate=0.001@500"],
  ["report", "remove the stage: every run now writes this page, as outputs/<pipeline>/report.html"],
]);

export function isCustom(uses: string): boolean {
  return /^\.{0,2}\//.test(uses) || /\.[mc]?[jt]s$/.test(uses);
}

/** Find the kind of every stage. Stages whose kind cannot be had map to undefined, with a problem each. */
export async function resolveKinds(
  entries: ReadonlyMap<string, StageEntry>,
  builtins: BuiltinKinds,
  resolveFile: (written: string) => string,
  problems: Problems,
): Promise<Map<string, Kind | undefined>> {
  const kinds = new Map<string, Kind | undefined>();
  const known = new Map<string, Kind>();
  const report = (id: string, code: DiagnosticCode, message: string, fix: string) =>
    problems.add(["stages", id, "uses"], message, fix, { code });

  const custom = new Map<string, { file: string; written: string; params: unknown[] }>();
  for (const entry of entries.values()) {
    if (!isCustom(entry.uses)) continue;
    const file = resolveFile(entry.uses);
    const request = custom.get(file) ?? { file, written: entry.uses, params: [] };
    request.params.push(entry.with);
    custom.set(file, request);
  }
  const described = await describeAll([...custom.values()]);

  for (const [id, { uses }] of entries) {
    kinds.set(id, undefined);
    if (isCustom(uses)) {
      const outcome = described.get(resolveFile(uses));
      if (outcome === undefined) throw new Error(`Cannot happen: custom stage ${uses} was not described`);
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
    if (!known.has(uses)) known.set(uses, fromBuiltin(builtin));
    kinds.set(id, known.get(uses));
  }
  return kinds;
}

/** Describe custom stages; a pipeline without any does not load what starts processes. */
export async function describeAll(requests: readonly CustomRequest[]): Promise<ReadonlyMap<string, CustomOutcome>> {
  if (requests.length === 0) return new Map();
  const { describeCustomStages } = await import("../../process/describe.ts");
  return await describeCustomStages(requests);
}

/** Located files become params like those that the user gave, so that all that follows treats them alike. */
function validateBuiltin(builtin: BuiltinKind, raw: unknown): ParamsOutcome {
  const outcome = validateParams(builtin.params, raw);
  if (!outcome.ok || builtin.locate === undefined) return outcome;
  const found = builtin.locate(outcome.params);
  noteLocated({ kind: builtin.kind, params: outcome.params, found });
  return { ok: true, params: { ...outcome.params, ...found } };
}

/** A kind that comes with the toolkit, as the engine sees it. */
export function fromBuiltin(builtin: BuiltinKind): Kind {
  const { kind, version, params, locate: _, ...rest } = builtin;
  return {
    seeded: false,
    permissions: {},
    resources: {},
    ...rest,
    name: kind,
    version: `${kind}/${version}`,
    custom: false,
    roles: rolesOf(params),
    validate: (raw) => validateBuiltin(builtin, raw),
  };
}
