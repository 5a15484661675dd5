import { dirname, resolve } from "node:path";
import { ID_PATTERN, pipelineFileSchema } from "../../../schemas/pipeline_file.ts";
import { didYouMean } from "../../../std/did_you_mean.ts";
import { type Diagnostic, errorOf, refuse, type Result, succeed } from "../../diagnostic/diagnostic.ts";
import { type DocumentPath, formatPath, type Origins, type SourceDocument } from "../../diagnostic/document.ts";
import { Problems } from "../../diagnostic/problems.ts";
import { missingExternals } from "../../keys/externals.ts";
import { AXIS_NAME, LABEL } from "../compose/axes.ts";
import { composeDocument, layeredDocument } from "../compose/compose.ts";
import { leaveOut } from "../compose/conditions.ts";
import { expandMatrices, usesExpansion } from "../compose/expand.ts";
import { interpolate } from "../compose/interpolate.ts";
import { findCycle, topologicalOrder } from "../compose/order.ts";
import { expandSearches } from "../compose/search.ts";
import { type IncludeOptions, includePipelines } from "../compose/subpipelines.ts";
import type { Pipeline } from "../pipeline.ts";
import { asMap, Budget, isRecord, sortKeys } from "../source/tree.ts";
import { parseYaml } from "../source/parse_yaml.ts";
import { readSource } from "../source/read_source.ts";
import { bindInputs } from "./bind_inputs.ts";
import { buildStages } from "./build_stages.ts";
import { checkFacts } from "./check_facts.ts";
import { addIssues } from "../../diagnostic/schema_issues.ts";
import { type BuiltinKinds, findKinds, StageKinds, userFile } from "./kinds.ts";
import { adviseOnPlaces } from "./misplaced.ts";
import { makeOrigins } from "./origin.ts";
import { applyOverrides } from "./overrides.ts";
import { validate } from "../../diagnostic/validate.ts";

/** The longest id of a child: file systems hold names of 255 bytes, and a view moved aside gets a longer one. */
const MAX_CHILD_ID = 200;

export interface LoadOptions {
  readonly kinds: BuiltinKinds;
  /** `--set` texts, in order. */
  readonly overrides?: readonly string[];
  /** `--profile` names, in order. */
  readonly profiles?: readonly string[];
  /** True to accept a pipeline that needs inputs from another pipeline; it can then be inspected but not run. */
  readonly allowMissingInputs?: boolean | undefined;
  /** The content of the file, if there is no such file: values that no text has places for. */
  readonly value?: unknown;
}

/** Reads, resolves and checks a pipeline, which may then be planned. Reports all problems at once; writes nothing. */
export async function loadPipeline(file: string, options: LoadOptions): Promise<Result<Pipeline>> {
  const { overrides = [], profiles = [], value: own } = options;
  const problems = new Problems();
  const budget = new Budget();
  const read = oncePerFile(async (path, name) => {
    if (own === undefined || path !== resolve(file)) return await readDocument(path, name, budget);
    return succeed({ value: own, locate: () => undefined, origin: () => undefined, whole: undefined });
  });
  const document = await composeDocument(file, { read, profiles });
  if (!document.ok) return document;
  const resolved = await resolveDocument({ ...options, file, document: document.value, read, budget, problems });
  const { value, origins, families, groups, leftOut, unresolved, ...search } = resolved;
  const finding = { origins, problems, advise: adviseOnPlaces(value, options.kinds) };

  const { profiles: written } = document.value;
  const whole = written === undefined ? value : { ...asMap(value), profiles: written };
  const { parsed, issues, broken } = readStructure(whole, budget);
  // A value that could not be resolved has been reported; its type error would only repeat it.
  const known = new Set(unresolved.map(formatPath));
  addIssues(issues.filter(({ path, keys }) => keys !== undefined || !known.has(formatPath(path))), [], finding);
  if (parsed === undefined) return refuse(onceEach(problems.diagnostics(origins)));
  const given = Object.keys(parsed.inputs ?? {});
  if (given.length > 0 && options.allowMissingInputs !== true) {
    const fix = "use it as a stage of another pipeline: uses: ./file.yaml, with inputs";
    const message = `this pipeline needs ${given.join(", ")}`;
    problems.add(["inputs"], message, fix, { code: "missing-input", target: "key" });
  }
  // From the raw value, from which nothing was taken out.
  checkIds(Object.keys(asMap(asMap(value)["stages"])), { families, groups }, problems);

  const folder = dirname(resolve(file));
  const entries = new Map(Object.entries(parsed.stages).map(([id, one]) => [id, { ...one, with: sortKeys(one.with) }]));
  // Params that have been reported once are not reported again as values of the wrong type.
  for (const [root, id] of unresolved) {
    if (root === "stages") broken.getOrInsertComputed(String(id), () => new Set()).add("with");
  }
  // Without its search a stage has no values for its params.
  for (const parts of broken.values()) if (parts.has("search")) parts.add("with");
  const fileOf = (uses: unknown) => userFile(uses, folder);
  const stageKinds = new StageKinds(options.kinds, fileOf, problems, origins, resolve(file));
  const kinds = await stageKinds.resolve(entries, broken);
  for (const [id, parts] of broken) if (parts.has("uses")) kinds.set(id, undefined);

  const built = buildStages(entries, kinds, { broken, seed: parsed.seed, given, ...search, ...finding });
  if (given.length > 0) {
    // Children of a matrix share one kind. What nested pipelines give is known only where it is read.
    const several = [...groups.keys()].map((id) => [id, undefined] as const);
    const whole = [...families].map(([id, [child]]) => [id, built.kinds.get(child!)] as const);
    const known = new Map([...built.kinds, ...several, ...whole]);
    const all = { kinds: known, names: [...known.keys()], reads: [], whole: false, given, problems, at: ["outputs"] };
    bindInputs("", { inputs: parsed.outputs ?? {} }, all);
  }
  const { order, rest } = topologicalOrder(built.edges);
  if (rest.length > 0) problems.addAll([cycleProblem(findCycle(built.edges, rest), origins)]);

  const ordered = stageKinds.inherit(order.map((id) => built.stages.get(id)).filter((stage) => stage !== undefined));
  const unsure = new Set([...broken.keys(), ...problems.wrongPaths.map(([, id]) => String(id))]);
  const stages = checkFacts(ordered, { ...finding, folder, unsure });
  const found = onceEach(problems.diagnostics(origins));
  if (found.some(({ severity }) => severity === "error")) {
    // Missing files would otherwise be found when keys are made, which is not reached.
    return refuse(onceEach([...found, ...ordered.flatMap((stage) => missingExternals(stage, folder, origins))]));
  }

  const { name, seed } = parsed;
  const together = new Map([...families, ...groups]);
  const asked = { file, folder, profiles, knownProfiles: Object.keys(parsed.profiles ?? {}), overrides };
  const question = questionIn(document.value.whole?.source.text);
  return succeed({ name, seed, ...asked, question, given, stages, families: together, leftOut, origins }, found);
}

/** Finds the question in the comments at the top of a file: `# Question: …`, and indented lines that go on with it. */
function questionIn(text = ""): string | undefined {
  const comments = /^(?:[ \t]*(?:#|\/?\*|\/\/).*\r?\n|\r?\n)*/.exec(text.slice(0, MAX_COMMENTS))![0];
  const lines = comments.split("\n").map((line) => line.replace(/^[ \t]*(?:#|\/?\*+|\/\/) ?/, ""));
  const first = lines.findIndex((line) => line.startsWith(QUESTION));
  if (first < 0) return undefined;
  const end = lines.findIndex((line, i) => i > first && !/^\s+\S/.test(line));
  const words = lines.slice(first, end < 0 ? undefined : end).map((line) => line.trim()).join(" ");
  return words.slice(QUESTION.length).trim().slice(0, MAX_QUESTION).trim() || undefined;
}

const QUESTION = "Question:";
const [MAX_COMMENTS, MAX_QUESTION] = [10_000, 500];

/**
 * Applies overrides, interpolation, nested pipelines, matrix and conditions, in this order, to a file with profiles.
 * @returns the file with everything resolved that its text can say; only the schemas' defaults are missing
 */
async function resolveDocument(
  { kinds, overrides = [], ...context }: LoadOptions & Omit<IncludeOptions, "isSeeded">,
) {
  const { file, document, read, budget, problems } = context;
  const overridden = applyOverrides(document.value, overrides);
  problems.addAll(overridden.problems);
  const replaced = interpolate(overridden.value, problems, budget);
  const fileOf = (uses: unknown) => userFile(uses, dirname(file));
  const included = await includePipelines(replaced.value, {
    ...context,
    read: oncePerFile((inner) => composeDocument(inner, { read, profiles: [] })),
    isSeeded: (uses) => fileOf(uses) !== undefined || kinds[uses]?.seeded === true,
  });
  const expands = !budget.spent && usesExpansion(included.value);
  const kindsOf = expands ? await findKinds(included.value, kinds, fileOf) : undefined;
  const expanded = expandMatrices(included.value, kindsOf, { problems, budget });
  const pruned = leaveOut(expanded.value);
  const searched = expandSearches(pruned.value, kindsOf, { problems, budget });

  const layers = [{ document, prefix: [] }, ...included.layers, ...overridden.layers];
  const whole = layers.length === 1 ? document : layeredDocument(searched.value, layers);
  const interpolations = [
    ...searched.interpolations,
    ...expanded.interpolations,
    ...included.interpolations,
    ...replaced.interpolations,
  ];
  const all = new Map([...expanded.families, ...searched.families]);
  const origins = makeOrigins(whole, interpolations, all, searched.places);
  const wrong = problems.wrongPaths;
  const broken = new Set(wrong.map(formatPath));
  // Values that nested pipelines were to be given are missing there, too.
  const missing = included.interpolations.filter(({ from }) => broken.has(formatPath(from))).map(({ path }) => path);
  // Paths whose value could not be resolved, in the resolved document.
  const unresolved = [...wrong, ...missing, ...expanded.unresolved].flatMap((path) => {
    const [root, id, ...rest] = path;
    const children = root === "stages" ? all.get(String(id)) : undefined;
    return [path, ...children?.map((child): DocumentPath => ["stages", child, ...rest]) ?? []];
  });
  const there = (ids: readonly string[]) => ids.filter((id) => !pruned.leftOut.has(id));
  const families = new Map([...all].map(([id, children]) => [id, there(children)]));
  // Stages of nested pipelines by the id of the stage that they came from.
  const groups = new Map([...included.groups].map(([id, members]) => [
    id,
    there(
      members.flatMap((member) => [...searched.families.has(member) ? [member] : [], ...all.get(member) ?? [member]]),
    ),
  ]));
  const leftOut = new Map([...pruned.leftOut].map(([id, { reads }]) => {
    return [id, reads === undefined ? conditionText(id, origins) : `it reads "${reads}", which is left out`];
  }));
  const { value, slots, trials } = searched;
  return { value, origins, unresolved, families, groups, leftOut, slots, trials };
}

/** Describes the condition of a stage, or of the pipeline that the stage is in, and where its value comes from. */
function conditionText(id: string, origins: Origins): string {
  const outer = id.includes("/") ? id.slice(0, id.lastIndexOf("/")) : undefined;
  const value = origins.explain(["stages", id, "when", "value"]);
  const places = value.length > 1 ? value : origins.explain(["stages", id, "when"]);
  if (places[0] === "default" && outer !== undefined) return conditionText(outer, origins);
  return `its when is false (${places.join("; ")})`;
}

/** Reads each file once: many stages may be the same nested pipeline, and many files extend the same one. */
function oncePerFile<T>(read: (path: string, name: string) => Promise<T>): (path: string, name?: string) => Promise<T> {
  const known = new Map<string, Promise<T>>();
  return (path, name = path) => known.getOrInsertComputed(path, () => read(path, name));
}

async function readDocument(file: string, name: string, budget: Budget): Promise<Result<SourceDocument>> {
  const found = await parseFile(file, name);
  const message = found.ok ? budget.take(found.value.value) : undefined;
  if (!found.ok || message === undefined) return found;
  const fix = "split the experiment into several pipelines";
  return refuse([errorOf("file-too-large", message, fix, { span: found.value.whole })]);
}

async function parseFile(file: string, name: string): Promise<Result<SourceDocument>> {
  if (/\.[mc]?[jt]s$/.test(file)) {
    const { evaluatePipeline } = await import("../source/evaluate_pipeline.ts");
    return await evaluatePipeline(resolve(file), name);
  }
  const source = readSource(file, name);
  if (!source.ok) return source;
  if (source.value.text.trim() === "") {
    const fix = "write one, or let `deno task new pipeline NAME` do so";
    return refuse([errorOf("missing-key", `${name} is empty`, fix, { wanted: "name and stages" })]);
  }
  return parseYaml(source.value);
}

const OUTER = /\b[a-z][a-z0-9_-]*\//g;
const SELECTION = new RegExp(`~${AXIS_NAME}=${LABEL}`, "g");

/** Drops repeated problems: children of a matrix, and uses of a nested pipeline, share theirs, at the same place. */
function onceEach(problems: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Set<string>();
  return problems.filter(({ span, code, message }) => {
    if (span === undefined) return true;
    const plain = message.replaceAll(SELECTION, "").replaceAll(OUTER, "");
    const key = JSON.stringify([span.source.name, span.start, code, plain]);
    return !seen.has(key) && seen.add(key);
  });
}

/** Checks the ids of stages; not the schema, so that messages can point at the key and say what an id may be. */
function checkIds(
  resolved: readonly string[],
  { families, groups }: Readonly<Record<"families" | "groups", Pipeline["families"]>>,
  problems: Problems,
): void {
  const children = new Set([...families.values()].flat());
  // Returns the part of a stage's id that its own file says, if the stage belongs to a nested pipeline.
  const ownPart = (id: string) => {
    const end = id.lastIndexOf("/");
    return end > 0 && groups.has(id.slice(0, end)) ? id.slice(end + 1) : id;
  };
  const ids = new Set([...resolved.filter((id) => !children.has(id)), ...families.keys(), ...groups.keys()]);
  for (const id of ids) {
    if (!ID_PATTERN.test(ownPart(id)) || id.length > 64) {
      const wanted = "[a-z][a-z0-9_-]*, at most 64 characters";
      const fix = "rename the stage; ids become folder names";
      problems.add(["stages", id], `"${id}" is not a stage id`, fix, { wanted, target: "key" });
    } else if (id === "vars" || id === "seed") {
      const details = { wanted: "another id", target: "key" } as const;
      problems.add(["stages", id], `a stage cannot be called "${id}"`, "rename it: --set uses this word", details);
    }
  }
  for (const id of children) {
    if (id.length <= MAX_CHILD_ID) continue;
    const details = { wanted: `at most ${MAX_CHILD_ID} characters`, target: "key" } as const;
    const fix = "name the values of its axes in a map";
    problems.add(["stages", id], `"${id}" is too long for a folder name`, fix, details);
  }
  if (ids.size === 0) {
    const fix = "add a stage; `deno task new pipeline NAME` writes some";
    problems.add(["stages"], "the pipeline has no stages", fix, { wanted: "at least one stage", target: "key" });
  }
}

function cycleProblem(cycle: readonly string[], origins: Origins): Diagnostic {
  const message = cycle.length === 2
    ? `stage "${cycle[0]}" reads its own output`
    : `stages read each other in a cycle: ${cycle.join(" -> ")}`;
  const related = cycle.slice(0, -1).flatMap((id, index) => {
    const span = origins.locate(["stages", id, "inputs"], "key");
    return span === undefined ? [] : [{ message: `${id} reads ${cycle[index + 1]}`, span }];
  });
  const span = origins.locate(["stages", cycle[0]!], "key");
  return errorOf("cycle", message, "remove one of these inputs", { span, related });
}

/**
 * Checks the structure of a file. Invalid parts are taken out, so that the rest can be checked, too.
 * @returns `parsed`, undefined if nothing more can be said of the file; and `broken`, the parts that were taken out of
 * stages, by stage id: `uses` if nothing is left of the stage
 */
function readStructure(value: unknown, budget: Budget) {
  const broken = new Map<string, Set<string>>();
  // A pipeline that is too large is not checked further.
  if (budget.spent) return { parsed: undefined, issues: [], broken };
  const first = validate(pipelineFileSchema, value ?? {});
  if (first.ok) return { parsed: first.value, issues: [], broken };
  const { issues } = first;
  if (!isRecord(value) || !isRecord(value["stages"])) return { parsed: undefined, issues, broken };
  const file: Record<string, unknown> = { ...value, name: "unnamed" };
  const stages: Record<string, unknown> = { ...value["stages"] };
  for (const { path: [root, stage, part], keys = [], known = [] } of issues) {
    const id = String(stage);
    const entry = stages[id];
    if (root !== "stages" || stage === undefined) { for (const key of [root ?? "", ...keys]) delete file[key]; }
    else if (isRecord(entry) && part !== "uses") {
      // Unknown keys do no harm, but what they were meant to say is missing.
      const parts = part === undefined ? keys.flatMap((key) => didYouMean(key, known) ?? []) : [String(part)];
      for (const one of parts) broken.getOrInsertComputed(id, () => new Set()).add(one);
      stages[id] = Object.fromEntries(
        Object.entries(entry).filter(([key]) => key !== part && (part !== undefined || !keys.includes(key))),
      );
    } else {
      broken.set(id, new Set(["uses"]));
      delete stages[id];
    }
  }
  const rest = validate(pipelineFileSchema, { name: "unnamed", ...file, stages });
  return { parsed: rest.ok ? rest.value : undefined, issues, broken };
}
