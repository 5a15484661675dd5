import type { StageEntry } from "../../../schemas/pipeline_file.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import type { ParamIssue } from "../../../schemas/param_issue.ts";
import type { Kind, Slot, Stage } from "../../keys/stage.ts";
import { shorterOf } from "../../keys/action.ts";
import { extentParam, hasCurve, predecessorsOf, withThreads } from "../../keys/stage.ts";
import { addIssues } from "../../diagnostic/schema_issues.ts";
import { CURVE_PORT } from "../../../schemas/log.ts";
import { parseReference, parseStageId } from "../compose/reference.ts";
import { bindInputs } from "./bind_inputs.ts";

/** Where issues with params go, and what is known of their places. */
type Finding = Parameters<typeof addIssues>[2];

/** Checks the params and binds the inputs of all stages whose kinds are known, at every extent that is asked for. */
export function buildStages(
  entries: ReadonlyMap<string, StageEntry>,
  kinds: ReadonlyMap<string, Kind | undefined>,
  { broken, given, seed, slots, trials, ...finding }: Finding & {
    /** Parts of stages that were taken out, or have no value; these are reported already. */
    readonly broken: ReadonlyMap<string, ReadonlySet<string>>;
    readonly given: readonly string[];
    readonly seed: number;
    /** The slots of searches, and the stages that are computed for each trial. */
    readonly slots: ReadonlyMap<string, Slot>;
    readonly trials: ReadonlySet<string>;
  },
) {
  const { problems } = finding;
  const outcomes = new Map([...entries].map(([id, entry]) => [id, kinds.get(id)?.validate(entry.with)]));
  // Without valid params, nothing is known of ports that depend on them.
  const ported = new Map([...kinds].map(([id, kind]): [string, Kind | undefined] => {
    const outcome = outcomes.get(id);
    if (kind?.portsFor === undefined) return [id, kind];
    return [id, outcome?.ok === true ? { ...kind, ...kind.portsFor(outcome.value) } : undefined];
  }));
  const [stages, edges] = [new Map<string, Stage>(), new Map<string, string[]>()];
  const wanted: { stage: string; extent: number }[] = [];
  const scope = { kinds: ported, ...referencesIn(entries), given, problems };
  for (const [id, entry] of entries) {
    const [kind, outcome, taken] = [ported.get(id), outcomes.get(id), broken.get(id)];
    const issues = outcome?.ok ? roleIssues(kind!, outcome.value) : taken?.has("with") ? [] : outcome?.issues ?? [];
    addIssues(issues, ["stages", id, "with"], finding);
    const { variants, ...bound } = bindInputs(id, entry, { ...scope, whole: taken?.has("inputs") !== true });
    if (kind === undefined || outcome === undefined) continue;
    wanted.push(...variants);
    checkRequests(id, entry, { kind, params: outcome.ok ? outcome.value : undefined }, problems);
    const slot = slots.get(id);
    const own = { kind, seed, ...bound, ...slot && { slot }, ...trials.has(id) && { isTrial: true } as const };
    edges.set(id, predecessorsOf(own));
    if (outcome.ok) stages.set(id, stageOf(id, entry, outcome, own));
  }
  checkTrials(slots, stages, problems);
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
  markCurves(stages);
  // Stages that differ in extent alone share their progress, so the shorter goes first and the longer continues it.
  // This orders only the list; the scheduler makes the longer wait.
  for (const [id, before] of shorterOf(stages.entries().map(([id, stage]) => ({ id, stage })))) {
    edges.set(id, [...edges.get(id)!, before]);
  }
  return { stages, edges, kinds: ported };
}

/** Returns the names of stages, and which reads which; children of a matrix count as one stage of the file. */
function referencesIn(entries: ReadonlyMap<string, StageEntry>) {
  const nameOf = (id: string) => parseStageId(id).stage;
  const reads = [...entries].flatMap(([id, { inputs }]) =>
    Object.values(inputs).flat().map((text) => ({ reader: nameOf(id), read: parseReference(text)?.stage }))
  );
  return { names: [...new Set([...entries.keys()].map(nameOf))], reads };
}

/** Checks what an entry asks of the engine against what its kind can do. @param params undefined if not valid */
function checkRequests(
  id: string,
  { timeout, shards, resources: { nodes = 1 } = {} }: StageEntry,
  { kind, params }: Pick<Stage, "kind"> & { readonly params: Stage["params"] | undefined },
  problems: Problems,
): void {
  if (timeout !== undefined && kind.runs === "inline") {
    const message = `stage "${id}": ${kind.name} runs in the engine and takes milliseconds; it cannot have a timeout`;
    problems.add(["stages", id, "timeout"], message, "remove timeout", { target: "key" });
  }
  if (shards !== undefined && kind.shards !== true) {
    const message = `stage "${id}": ${kind.name} cannot be computed in shards`;
    const how = kind.custom ? "write shards: true in its definition and compute by inParts" : "remove shards";
    problems.add(["stages", id, "shards"], message, how, { target: "key" });
  }
  if (params === undefined || nodes <= 1) return;
  const at = ["stages", id, "resources", "nodes"];
  if (kind.command === undefined) {
    return problems.add(at, `stage "${id}": ${kind.name} runs as one process, and uses one node`, "remove nodes");
  }
  const tasks = params["tasks"] as number | undefined;
  if (tasks !== undefined && tasks % nodes === 0) return;
  const said = tasks === undefined ? "nothing of tasks" : `tasks: ${tasks}`;
  const fix = `write tasks: ${nodes} under with, or another multiple of ${nodes}: the processes of all nodes together`;
  problems.add(at, `stage "${id}" says ${said}, which ${nodes} nodes share`, fix);
}

/** Makes a stage of an entry whose params are valid. */
function stageOf(
  id: string,
  { resources: declared = {}, seed, timeout, retries, shards = 1 }: StageEntry,
  { value, facts }: Extract<ReturnType<Kind["validate"]>, { ok: true }>,
  own: Pick<Stage, "kind" | "inputs" | "needs" | "slot" | "isTrial" | "seed">,
): Stage {
  const extentName = extentParam(own.kind);
  // Only a job has several nodes: `withJobResources`.
  const { nodes: _, ...here } = declared;
  const resources = { ...own.kind.resources, ...here };
  return {
    ...own,
    ...{ id, entry: id, facts, resources, declared, retries, timeoutMs: timeout, workGflop: undefined },
    params: withThreads({ kind: own.kind, params: value }, resources.cpu),
    extent: extentName === undefined ? undefined : value[extentName] as number,
    seed: seed ?? own.seed,
    ...shards > 1 && { shards },
  };
}

/** Checks that all trials of a search run the same code. */
function checkTrials(slots: ReadonlyMap<string, Slot>, stages: ReadonlyMap<string, Stage>, problems: Problems): void {
  for (const [id, { of }] of slots) {
    const trials = id === of ? stages.keys().filter((one) => one.startsWith(`${id}~trial=`)) : [];
    if (new Set(trials.map((one) => stages.get(one)!.kind.version)).size <= 1) continue;
    const message =
      `the trials of stage "${id}" run different code, and stages that read the best would need to know it`;
    problems.add(["stages", id, "search", "over"], message, "compare files of code by a matrix");
  }
}

/** Marks the stages whose curves others read. */
function markCurves(stages: Map<string, Stage>): void {
  for (const { stage: id, port } of [...stages.values()].flatMap(({ inputs }) => Object.values(inputs).flat())) {
    const read = port === CURVE_PORT ? stages.get(id) : undefined;
    if (read !== undefined && hasCurve(read.kind)) stages.set(id, { ...read, isCurveRead: true });
  }
}

/** Reports an extent that is not a positive whole number, whatever a custom stage's schema says. */
function roleIssues(kind: Kind, params: Readonly<Record<string, unknown>>): ParamIssue[] {
  const name = extentParam(kind);
  const input = name === undefined ? 1 : params[name];
  if (Number.isSafeInteger(input) && (input as number) > 0) return [];
  return [{ code: "custom", path: [name!], message: "a positive whole number, since it is an extent", input }];
}
