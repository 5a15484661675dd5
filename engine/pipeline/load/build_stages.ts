import type { StageEntry } from "../../../schemas/pipeline_file.ts";
import type { Diagnostic } from "../../diagnostic/diagnostic.ts";
import { extentParam, type Kind, type ParamIssue } from "../../keys/kind.ts";
import { predecessorsOf, shorterOf, type Stage } from "../../keys/stage.ts";
import { diagnosticAt } from "../../diagnostic/document.ts";
import { bindInputs } from "./bind.ts";
import { issuesToDiagnostics } from "./issues.ts";
import type { Origins } from "../../diagnostic/document.ts";
import { pairProblems } from "./pairs.ts";

/** Check the params and bind the inputs of all stages whose kinds are known, at every extent that is asked for. */
export function buildStages(
  entries: ReadonlyMap<string, StageEntry>,
  kinds: ReadonlyMap<string, Kind | undefined>,
  origins: Origins,
  { reported, broken, seed }: {
    readonly reported: ReadonlySet<string>;
    /** Parts of stages that were taken out of them, since they are reported already. */
    readonly broken: ReadonlyMap<string, ReadonlySet<string>>;
    readonly seed: number;
  },
): { stages: Map<string, Stage>; edges: Map<string, string[]>; problems: Diagnostic[] } {
  const stages = new Map<string, Stage>();
  const edges = new Map<string, string[]>();
  const problems: Diagnostic[] = [];
  const add = (more: readonly Diagnostic[]) => more.forEach((one) => problems.push(one));
  const wanted: { stage: string; extent: number }[] = [];

  for (const [id, entry] of entries) {
    const kind = kinds.get(id);
    if (kind === undefined) {
      add(bindInputs(id, entry, undefined, kinds, origins).problems);
      continue;
    }
    const outcome = kind.validate(entry.with);
    if (!outcome.ok && !reported.has(id) && broken.get(id)?.has("with") !== true) {
      add(issuesToDiagnostics(outcome.issues, ["stages", id, "with"], origins));
    }
    if (outcome.ok) {
      add(issuesToDiagnostics(roleIssues(kind, outcome.params), ["stages", id, "with"], origins));
    }
    const bound = bindInputs(id, entry, kind, kinds, origins);
    const isFollowUp = (one: Diagnostic) => one.code === "missing-input" && broken.get(id)?.has("inputs") === true;
    add(bound.problems.filter((one) => !isFollowUp(one)));
    add(pairProblems(id, kind, bound.inputs, origins));
    wanted.push(...bound.variants);
    if (entry.timeout !== undefined && kind.runs === "inline") problems.push(inlineTimeoutProblem(id, kind, origins));
    edges.set(id, predecessorsOf(bound));
    if (!outcome.ok) continue;
    const extentName = extentParam(kind);
    stages.set(id, {
      id,
      entry: id,
      kind,
      params: outcome.params,
      extent: extentName === undefined ? undefined : outcome.params[extentName] as number,
      inputs: bound.inputs,
      needs: bound.needs,
      seed: entry.seed ?? seed,
      resources: { ...kind.resources, ...entry.resources },
      timeoutMs: entry.timeout,
      retries: entry.retries,
      workGflop: undefined,
    });
  }

  for (const { stage: id, extent } of wanted) {
    const base = stages.get(id);
    const variantId = `${id}@${extent}`;
    if (base === undefined || stages.has(variantId)) continue;
    const name = extentParam(base.kind)!;
    const entry = entries.get(id)!;
    const outcome = base.kind.custom ? undefined : base.kind.validate({ ...entry.with, [name]: extent });
    if (outcome?.ok === false) {
      add(issuesToDiagnostics(outcome.issues, ["stages", id, "with"], origins));
      continue;
    }
    stages.set(variantId, { ...base, id: variantId, params: { ...base.params, [name]: extent }, extent });
    edges.set(variantId, edges.get(id)!);
  }
  for (const [id, before] of shorterOf(stages.values())) edges.set(id, [...edges.get(id)!, before]);
  return { stages, edges, problems };
}

function inlineTimeoutProblem(id: string, kind: Kind, origins: Origins): Diagnostic {
  const message = `stage "${id}": ${kind.name} runs in the engine and takes milliseconds; it cannot have a timeout`;
  return diagnosticAt(
    origins,
    ["stages", id, "timeout"],
    { code: "invalid-value", message, fix: "remove timeout" },
    "key",
  );
}

/** Extents count, whatever a custom stage's schema says. */
function roleIssues(kind: Kind, params: Readonly<Record<string, unknown>>): ParamIssue[] {
  return Object.entries(kind.roles).flatMap(([name, { role }]): ParamIssue[] => {
    const input = params[name];
    const issue = (message: string) => [{ code: "custom", path: [name], message, input }];
    if (role === "extent" && !(Number.isSafeInteger(input) && (input as number) > 0)) {
      return issue("a positive whole number, since it is an extent");
    }
    return [];
  });
}
