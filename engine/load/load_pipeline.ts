import { dirname, isAbsolute, resolve } from "node:path";
import { ID_PATTERN, type PipelineFile, pipelineFileSchema, type StageEntry } from "../../schemas/pipeline_file.ts";
import { AXIS_NAME, LABEL } from "../compose/axes.ts";
import { type Diagnostic, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { findCycle, topologicalOrder } from "../graph/order.ts";
import { extentParam, type Kind, type ParamIssue } from "../kind.ts";
import type { Pipeline, Stage } from "../pipeline.ts";
import { type DocumentPath, formatPath } from "../source/document.ts";
import { bindInputs } from "./bind.ts";
import { toParamIssues } from "./builtin_kind.ts";
import { checkFacts } from "./check_facts.ts";
import { issuesToDiagnostics } from "./issues.ts";
import { type BuiltinKinds, isCustom, resolveKinds } from "./kinds.ts";
import type { Origins } from "./origin.ts";
import { resolveDocument } from "./resolve_document.ts";
import { findNonFinite, getPath, isRecord } from "./tree.ts";

/** File systems hold names of 255 bytes, and a view that is moved aside gets a longer one. */
const MAX_CHILD_ID = 200;

export interface LoadOptions {
  readonly kinds: BuiltinKinds;
  /** `--set` texts, in order. */
  readonly overrides?: readonly string[];
  /** `--profile` names, in order. */
  readonly profiles?: readonly string[];
  /** Where parsed files are kept; default: in the store that belongs to the file. */
  readonly cacheFolder?: string;
}

/** Read, resolve and check a pipeline. Either it may be planned, or every problem comes at once; nothing is written. */
export async function loadPipeline(file: string, options: LoadOptions): Promise<Result<Pipeline>> {
  const { overrides = [], profiles = [] } = options;
  const document = await resolveDocument(file, { ...options, overrides, profiles, cacheFolder: options.cacheFolder });
  if (!document.ok) return document;
  const { value, origins, families } = document.value;
  const { unresolved } = document.value;
  const problems: Diagnostic[] = [...document.value.problems];

  const structure = pipelineFileSchema.safeParse(value ?? {}, { reportInput: true });
  if (!structure.success) {
    // A value that could not be resolved has been reported; its type error would only repeat it.
    const issues = toParamIssues(structure.error, pipelineFileSchema);
    const known = new Set(unresolved.map(formatPath));
    problems.push(...issuesToDiagnostics(issues, [], origins).filter((one) => !known.has(one.path ?? "")));
    return refuse(problems);
  }
  const parsed = structure.data;
  // From the raw value: Zod leaves out keys such as __proto__.
  const raw = getPath(value, ["stages"]).value;
  problems.push(...idProblems(isRecord(raw) ? Object.keys(raw) : [], families, origins));
  const numbers = customNumberProblems(parsed, origins);
  problems.push(...numbers.map(({ problem }) => problem));

  const folder = dirname(resolve(file));
  const resolveFile = (written: string) => isAbsolute(written) ? written : resolve(folder, written);
  const entries = new Map(Object.entries(parsed.stages));
  const { kinds, problems: kindProblems } = await resolveKinds(
    entries,
    options.kinds,
    resolveFile,
    origins,
  );
  problems.push(...kindProblems);

  // Params that have been reported once are not reported again as values of the wrong type.
  const reported = new Set(unresolved.map((path) => String(path[1])));
  for (const { id } of numbers) reported.add(id);
  const built = buildStages(entries, kinds, origins, reported);
  problems.push(...built.problems);

  const edges = new Map([...built.edges].map(([id, before]) => [id, before]));
  const { order, rest } = topologicalOrder(edges);
  if (rest.length > 0) problems.push(cycleProblem(findCycle(edges, rest), origins));

  const ordered = order.map((id) => built.stages.get(id)).filter((stage) => stage !== undefined);
  const { problems: checks, work } = checkFacts(ordered, origins);
  problems.push(...checks.filter(({ severity }) => severity === "error"));
  const warnings = checks.filter(({ severity }) => severity === "warning");
  if (problems.length > 0) return refuse(onceEach([...problems, ...warnings]));

  const stages = new Map(ordered.map((stage) => [stage.id, { ...stage, workGflop: work.get(stage.id) }]));
  const { name, seed } = parsed;
  const pipeline = { name, seed, file, folder, profiles, overrides, stages, families, origins };
  return succeed(pipeline, onceEach(warnings));
}

const SELECTION = new RegExp(`~${AXIS_NAME}=${LABEL}`, "g");

/** Children of one matrix have the same problem at the same place: it is said once. */
function onceEach(problems: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Set<string>();
  return problems.filter(({ span, code, message, got, path }) => {
    if (span === undefined) return true;
    const plain = [message, path].map((text) => text?.replaceAll(SELECTION, ""));
    const key = JSON.stringify([span.source.name, span.start, code, ...plain, got]);
    return !seen.has(key) && seen.add(key);
  });
}

/** Record keys are checked here, so that the message can point at the key and say what an id may be. */
function idProblems(resolved: readonly string[], families: Pipeline["families"], origins: Origins): Diagnostic[] {
  const children = new Set([...families.values()].flat());
  const ids = [...resolved.filter((id) => !children.has(id)), ...families.keys()];
  const problems: Diagnostic[] = [];
  const report = (path: DocumentPath, message: string, wanted: string, fix: string) => {
    const span = origins.locate(path, "key");
    problems.push({
      severity: "error",
      code: "invalid-value",
      message,
      path: formatPath(path),
      wanted,
      fix,
      ...(span === undefined ? {} : { span }),
    });
  };
  for (const id of ids) {
    if (!ID_PATTERN.test(id) || id.length > 64) {
      const wanted = "[a-z][a-z0-9_-]*, at most 64 characters";
      report(["stages", id], `"${id}" is not a stage id`, wanted, "rename the stage; ids become folder names");
    } else if (id === "vars" || id === "seed") {
      report(["stages", id], `a stage cannot be called "${id}"`, "another id", "rename it: --set uses this word");
    }
  }
  for (const id of children) {
    if (id.length <= MAX_CHILD_ID) continue;
    const wanted = `at most ${MAX_CHILD_ID} characters`;
    report(["stages", id], `"${id}" is too long for a folder name`, wanted, "name the values of its axes in a map");
  }
  if (ids.length === 0) {
    report(["stages"], "the pipeline has no stages", "at least one stage", "add a stage; see pipelines/smoke.yaml");
  }
  return problems;
}

/** Params of custom stages travel as JSON, which has no NaN; built-in schemas refuse it by themselves. */
function customNumberProblems(parsed: PipelineFile, origins: Origins): { id: string; problem: Diagnostic }[] {
  return Object.entries(parsed.stages).filter(([, { uses }]) => isCustom(uses)).flatMap(([id, entry]) => {
    const issues = findNonFinite(entry.with).map((path) => ({
      code: "invalid_type",
      path,
      message: "a finite number",
      input: getPath(entry.with, path).value,
    }));
    return issuesToDiagnostics(issues, ["stages", id, "with"], origins).map((problem) => ({ id, problem }));
  });
}

function buildStages(
  entries: ReadonlyMap<string, StageEntry>,
  kinds: ReadonlyMap<string, Kind | undefined>,
  origins: Origins,
  reported: ReadonlySet<string>,
): { stages: Map<string, Stage>; edges: Map<string, string[]>; problems: Diagnostic[] } {
  const stages = new Map<string, Stage>();
  const edges = new Map<string, string[]>();
  const problems: Diagnostic[] = [];
  const wanted: { stage: string; extent: number }[] = [];

  for (const [id, entry] of entries) {
    const kind = kinds.get(id);
    if (kind === undefined) continue;
    const outcome = kind.validate(entry.with);
    if (!outcome.ok && !reported.has(id)) {
      problems.push(...issuesToDiagnostics(outcome.issues, ["stages", id, "with"], origins));
    }
    if (outcome.ok) {
      problems.push(...issuesToDiagnostics(roleIssues(kind, outcome.params), ["stages", id, "with"], origins));
    }
    const bound = bindInputs(id, entry, kind, kinds, origins);
    problems.push(...bound.problems);
    wanted.push(...bound.variants);
    if (entry.timeout !== undefined && kind.runs === "inline") problems.push(inlineTimeoutProblem(id, kind, origins));
    edges.set(id, Object.values(bound.inputs).flat().map(({ stage }) => stage));
    if (!outcome.ok) continue;
    const extentName = extentParam(kind);
    stages.set(id, {
      id,
      entry: id,
      kind,
      params: outcome.params,
      extent: extentName === undefined ? undefined : outcome.params[extentName] as number,
      inputs: bound.inputs,
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
      problems.push(...issuesToDiagnostics(outcome.issues, ["stages", id, "with"], origins));
      continue;
    }
    stages.set(variantId, { ...base, id: variantId, params: { ...base.params, [name]: extent }, extent });
    edges.set(variantId, edges.get(id)!);
  }
  chainVariants(stages, edges);
  return { stages, edges, problems };
}

function inlineTimeoutProblem(id: string, kind: Kind, origins: Origins): Diagnostic {
  const span = origins.locate(["stages", id, "timeout"], "key");
  return {
    severity: "error",
    code: "invalid-value",
    message: `stage "${id}": ${kind.name} runs within the engine and takes milliseconds; it cannot be timed out`,
    path: `stages.${id}.timeout`,
    fix: "remove timeout",
    ...(span === undefined ? {} : { span }),
  };
}

/** Extents count and externals are paths, whatever a custom stage's schema says. */
function roleIssues(kind: Kind, params: Readonly<Record<string, unknown>>): ParamIssue[] {
  return Object.entries(kind.roles).flatMap(([name, { role }]): ParamIssue[] => {
    const input = params[name];
    const issue = (message: string) => [{ code: "custom", path: [name], message, input }];
    if (role === "extent" && !(Number.isSafeInteger(input) && (input as number) > 0)) {
      return issue("a positive whole number, since it is an extent");
    }
    if (role === "external" && input !== undefined && typeof input !== "string") {
      return issue("one path, since it is an external file");
    }
    return [];
  });
}

/** Stages that differ in extent alone share their progress, so the shorter goes first and the longer continues it. */
function chainVariants(stages: ReadonlyMap<string, Stage>, edges: Map<string, string[]>): void {
  const families = new Map<string, Stage[]>();
  for (const stage of stages.values()) {
    if (stage.extent === undefined) continue;
    families.set(stage.entry, [...families.get(stage.entry) ?? [], stage]);
  }
  for (const family of families.values()) {
    if (family.length < 2) continue;
    family.sort((a, b) => a.extent! - b.extent!);
    for (let i = 1; i < family.length; i++) {
      const id = family[i]!.id;
      edges.set(id, [...edges.get(id)!, family[i - 1]!.id]);
    }
  }
}

function cycleProblem(cycle: readonly string[], origins: Origins): Diagnostic {
  const first = cycle[0]!;
  const span = origins.locate(["stages", first], "key");
  const self = cycle.length === 2;
  const related = cycle.slice(0, -1).flatMap((id, index) => {
    const at = origins.locate(["stages", id, "inputs"], "key");
    return at === undefined ? [] : [{ message: `${id} reads ${cycle[index + 1]}`, span: at }];
  });
  return {
    severity: "error",
    code: "cycle",
    message: self
      ? `stage "${first}" reads its own output`
      : `stages read each other in a cycle: ${cycle.join(" -> ")}`,
    related,
    fix: "remove one of these inputs",
    ...(span === undefined ? {} : { span }),
  };
}
