import { dirname, isAbsolute, resolve } from "node:path";
import { ID_PATTERN, type PipelineFile } from "../../../schemas/pipeline_file.ts";
import { AXIS_NAME, LABEL } from "../compose/axes.ts";
import { type Diagnostic, refuse, type Result, succeed } from "../../diagnostic/diagnostic.ts";
import { missingExternals } from "../../keys/externals.ts";
import { findCycle, topologicalOrder } from "../compose/order.ts";
import type { Pipeline } from "../pipeline.ts";
import { diagnosticAt, type DocumentPath, formatPath } from "../../diagnostic/document.ts";
import { buildStages } from "./build_stages.ts";
import { checkFacts } from "./check_facts.ts";
import { issuesToDiagnostics } from "./issues.ts";
import { type BuiltinKinds, isCustom, resolveKinds } from "./kinds.ts";
import type { Origins } from "../../diagnostic/document.ts";
import { type ResolvedDocument, resolveDocument } from "./resolve_document.ts";
import { readStructure } from "./structure.ts";
import { findNonFinite, getPath, isRecord } from "../source/tree.ts";

/** File systems hold names of 255 bytes, and a view that is moved aside gets a longer one. */
const MAX_CHILD_ID = 200;

export interface LoadOptions {
  readonly kinds: BuiltinKinds;
  /** `--set` texts, in order. */
  readonly overrides?: readonly string[];
  /** `--profile` names, in order. */
  readonly profiles?: readonly string[];
}

/** Read, resolve and check a pipeline. Either it may be planned, or every problem comes at once; nothing is written. */
export async function loadPipeline(file: string, options: LoadOptions): Promise<Result<Pipeline>> {
  const { overrides = [], profiles = [] } = options;
  const document = await resolveDocument(file, { ...options, overrides, profiles });
  if (!document.ok) return document;
  const { value, origins, families, groups, leftOut, unresolved, knownProfiles } = document.value;
  const problems = document.value.problems.filter(({ severity }) => severity === "error");
  const doubts = document.value.problems.filter(({ severity }) => severity === "warning");
  const add = (more: readonly Diagnostic[]) => more.forEach((one) => problems.push(one));

  const { parsed, issues, broken } = readStructure(value);
  // A value that could not be resolved has been reported; its type error would only repeat it.
  const known = new Set(unresolved.map(formatPath));
  add(issuesToDiagnostics(issues, [], origins).filter((one) => !known.has(one.path ?? "")));
  if (parsed === undefined) return refuse(onceEach(problems));
  add(inputProblems(parsed, origins));
  // From the raw value, of which nothing was taken out.
  const raw = getPath(value, ["stages"]).value;
  add(idProblems(isRecord(raw) ? Object.keys(raw) : [], { families, groups }, origins));
  const numbers = customNumberProblems(parsed, origins);
  add(numbers.map(({ problem }) => problem));

  const folder = dirname(resolve(file));
  const resolveFile = (written: string) => isAbsolute(written) ? written : resolve(folder, written);
  const entries = new Map(Object.entries(parsed.stages));
  const { kinds, problems: kindProblems } = await resolveKinds(
    entries,
    options.kinds,
    resolveFile,
    origins,
  );
  add(kindProblems);
  for (const [id, parts] of broken) if (parts.has("uses")) kinds.set(id, undefined);

  // Params that have been reported once are not reported again as values of the wrong type.
  const reported = new Set([...unresolved.map((path) => String(path[1])), ...numbers.map(({ id }) => id)]);
  const built = buildStages(entries, kinds, origins, { reported, broken, seed: parsed.seed });
  add(built.problems);

  const edges = new Map([...built.edges].map(([id, before]) => [id, before]));
  const { order, rest } = topologicalOrder(edges);
  if (rest.length > 0) problems.push(cycleProblem(findCycle(edges, rest), origins));

  const ordered = order.map((id) => built.stages.get(id)).filter((stage) => stage !== undefined);
  const { problems: checks, work } = checkFacts(ordered, origins);
  add(checks.filter(({ severity }) => severity === "error"));
  const warnings = [...doubts, ...checks.filter(({ severity }) => severity === "warning")];
  if (problems.length > 0) {
    // Files that are not there would be found when keys are made, which is not reached.
    const gone = ordered.flatMap((stage) => missingExternals(stage, folder, origins));
    return refuse(onceEach([...problems, ...gone, ...warnings]));
  }

  const stages = new Map(ordered.map((stage) => [stage.id, { ...stage, ...work.get(stage.id) }]));
  const { name, seed } = parsed;
  const together = new Map([...families, ...groups]);
  const given = { file, folder, profiles, knownProfiles, overrides };
  const pipeline = { name, seed, ...given, stages, families: together, leftOut, origins };
  return succeed(pipeline, onceEach(warnings));
}

const OUTER = /\b[a-z][a-z0-9_-]*\//g;
const SELECTION = new RegExp(`~${AXIS_NAME}=${LABEL}`, "g");

/** Children of one matrix, and all uses of one inner pipeline, have the same problem at the same place: it is said once. */
function onceEach(problems: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Set<string>();
  return problems.filter(({ span, code, message }) => {
    if (span === undefined) return true;
    const plain = message.replaceAll(SELECTION, "").replaceAll(OUTER, "");
    const key = JSON.stringify([span.source.name, span.start, code, plain]);
    return !seen.has(key) && seen.add(key);
  });
}

/** Record keys are checked here, so that the message can point at the key and say what an id may be. */
function idProblems(
  resolved: readonly string[],
  { families, groups }: Pick<ResolvedDocument, "families" | "groups">,
  origins: Origins,
): Diagnostic[] {
  const children = new Set([...families.values()].flat());
  // Of an inner pipeline's stage the part of the id that its file says.
  const ownPart = (id: string) => {
    const end = id.lastIndexOf("/");
    return end > 0 && groups.has(id.slice(0, end)) ? id.slice(end + 1) : id;
  };
  const written = [...resolved.filter((id) => !children.has(id)), ...families.keys(), ...groups.keys()];
  const ids = [...new Set(written)];
  const problems: Diagnostic[] = [];
  const report = (path: DocumentPath, message: string, wanted: string, fix: string) => {
    problems.push(diagnosticAt(origins, path, { code: "invalid-value", message, wanted, fix }, "key"));
  };
  for (const id of ids) {
    if (!ID_PATTERN.test(ownPart(id)) || id.length > 64) {
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
    report(
      ["stages"],
      "the pipeline has no stages",
      "at least one stage",
      "add a stage; `deno task new pipeline NAME` writes some",
    );
  }
  return problems;
}

/** A pipeline that wants something from outside is a part of another one. */
function inputProblems({ inputs = {} }: PipelineFile, origins: Origins): Diagnostic[] {
  const names = Object.keys(inputs);
  if (names.length === 0) return [];
  const message = `this pipeline needs ${names.join(", ")}`;
  const fix = "use it as a stage of another pipeline: uses: ./file.yaml, with inputs";
  return [diagnosticAt(origins, ["inputs"], { code: "missing-input", message, fix }, "key")];
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
    span,
  };
}
