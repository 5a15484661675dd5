import type { StageEntry } from "../../../schemas/pipeline_file.ts";
import type { BuiltinKind } from "../../../contract/stage.ts";
import type { Diagnostic } from "../../diagnostic/diagnostic.ts";
import { suggestName } from "../../diagnostic/did_you_mean.ts";
import type { Kind } from "../../keys/kind.ts";
import { fromBuiltin } from "./builtin_kind.ts";
import type { CustomOutcome, CustomRequest } from "../../process/custom_kind.ts";
import type { Origins } from "../../diagnostic/document.ts";
import { diagnosticAt } from "../../diagnostic/document.ts";

export type BuiltinKinds = Readonly<Record<string, BuiltinKind>>;

/** Kinds that there were, and what to do instead. */
const FORMER_KINDS: ReadonlyMap<string, string> = new Map([
  ["continue", "name the stage to go on with, at its new extent: train~rate=0.001@500"],
  ["report", "remove the stage: every run now writes this page, as outputs/<pipeline>/report.html"],
]);

export function isCustom(uses: string): boolean {
  return /^\.{0,2}\//.test(uses) || /\.[mc]?[jt]s$/.test(uses);
}

/** Find the kind of every stage. Stages whose kind cannot be had map to undefined, with a diagnostic each. */
export async function resolveKinds(
  entries: ReadonlyMap<string, StageEntry>,
  builtins: BuiltinKinds,
  resolveFile: (written: string) => string,
  origins: Origins,
): Promise<{ kinds: Map<string, Kind | undefined>; problems: Diagnostic[] }> {
  const kinds = new Map<string, Kind | undefined>();
  const problems: Diagnostic[] = [];
  const known = new Map<string, Kind>();
  const report = (id: string, code: Diagnostic["code"], message: string, fix: string) => {
    problems.push(diagnosticAt(origins, ["stages", id, "uses"], { code, message, fix }));
  };

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
  return { kinds, problems };
}

/** Describe custom stages; a pipeline without any does not load what starts processes. */
export async function describeAll(requests: readonly CustomRequest[]): Promise<ReadonlyMap<string, CustomOutcome>> {
  if (requests.length === 0) return new Map();
  const { describeCustomStages } = await import("../../process/describe.ts");
  return await describeCustomStages(requests);
}
