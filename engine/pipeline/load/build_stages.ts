import type { StageEntry } from "../../../schemas/pipeline_file.ts";
import type { Origins } from "../../diagnostic/document.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import type { ParamIssue } from "../../../schemas/param_issue.ts";
import { extentParam, type Kind } from "../../keys/kind.ts";
import { predecessorsOf, shorterOf, type Stage } from "../../keys/stage.ts";
import { bindInputs } from "./bind.ts";
import { addIssues } from "./issues.ts";

/** Check the params and bind the inputs of all stages whose kinds are known, at every extent that is asked for. */
export function buildStages(
  entries: ReadonlyMap<string, StageEntry>,
  kinds: ReadonlyMap<string, Kind | undefined>,
  { reported, broken, seed, ...finding }: {
    readonly reported: ReadonlySet<string>;
    /** Parts of stages that were taken out of them, since they are reported already. */
    readonly broken: ReadonlyMap<string, ReadonlySet<string>>;
    readonly seed: number;
    readonly origins: Origins;
    readonly problems: Problems;
  },
): { stages: Map<string, Stage>; edges: Map<string, string[]> } {
  const { problems } = finding;
  const stages = new Map<string, Stage>();
  const edges = new Map<string, string[]>();
  const wanted: { stage: string; extent: number }[] = [];

  for (const [id, entry] of entries) {
    const kind = kinds.get(id);
    const at = ["stages", id, "with"];
    const outcome = kind?.validate(entry.with);
    if (outcome?.ok === false && !reported.has(id) && broken.get(id)?.has("with") !== true) {
      addIssues(outcome.issues, at, finding);
    }
    if (outcome?.ok) addIssues(roleIssues(kind!, outcome.params), at, finding);
    const bound = bindInputs(id, entry, { kinds, whole: broken.get(id)?.has("inputs") !== true, problems });
    if (kind === undefined || outcome === undefined) continue;
    wanted.push(...bound.variants);
    if (entry.timeout !== undefined && kind.runs === "inline") {
      const message = `stage "${id}": ${kind.name} runs in the engine and takes milliseconds; it cannot have a timeout`;
      problems.add(["stages", id, "timeout"], message, "remove timeout", { target: "key" });
    }
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
    const outcome = base.kind.custom ? undefined : base.kind.validate({ ...entries.get(id)!.with, [name]: extent });
    if (outcome?.ok === false) {
      addIssues(outcome.issues, ["stages", id, "with"], finding);
      continue;
    }
    stages.set(variantId, { ...base, id: variantId, params: { ...base.params, [name]: extent }, extent });
    edges.set(variantId, edges.get(id)!);
  }
  // They share their progress, so the shorter goes first and the longer continues it.
  for (const [id, before] of shorterOf(stages.values())) edges.set(id, [...edges.get(id)!, before]);
  return { stages, edges };
}

/** Extents count, whatever a custom stage's schema says. */
function roleIssues(kind: Kind, params: Readonly<Record<string, unknown>>): ParamIssue[] {
  const name = extentParam(kind);
  const input = name === undefined ? 1 : params[name];
  if (Number.isSafeInteger(input) && (input as number) > 0) return [];
  return [{ code: "custom", path: [name!], message: "a positive whole number, since it is an extent", input }];
}
