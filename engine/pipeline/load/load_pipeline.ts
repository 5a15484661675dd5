import { dirname, isAbsolute, resolve } from "node:path";
import { ID_PATTERN, type PipelineFile } from "../../../schemas/pipeline_file.ts";
import { type Diagnostic, errorOf, refuse, type Result, succeed } from "../../diagnostic/diagnostic.ts";
import { formatPath, type Origins } from "../../diagnostic/document.ts";
import { Problems } from "../../diagnostic/problems.ts";
import { missingExternals } from "../../keys/externals.ts";
import type { ParamIssue } from "../../../schemas/param_issue.ts";
import { AXIS_NAME, LABEL } from "../compose/axes.ts";
import { findCycle, topologicalOrder } from "../compose/order.ts";
import type { Pipeline } from "../pipeline.ts";
import { getPath, isRecord, mapLeaves } from "../source/tree.ts";
import { buildStages } from "./build_stages.ts";
import { checkFacts } from "./check_facts.ts";
import { addIssues } from "./issues.ts";
import { type BuiltinKinds, isCustom, resolveKinds } from "./kinds.ts";
import { type ResolvedDocument, resolveDocument } from "./resolve_document.ts";
import { readStructure } from "./structure.ts";

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
  const problems = new Problems();
  const document = await resolveDocument(file, { ...options, overrides, profiles, problems });
  if (!document.ok) return document;
  const { value, origins, families, groups, leftOut, unresolved, knownProfiles } = document.value;
  const finding = { origins, problems };

  const { parsed, issues, broken } = readStructure(value);
  // A value that could not be resolved has been reported; its type error would only repeat it.
  const known = new Set(unresolved.map(formatPath));
  addIssues(issues.filter(({ path, keys }) => keys !== undefined || !known.has(formatPath(path))), [], finding);
  if (parsed === undefined) return refuse(onceEach(problems.diagnostics(origins)));
  checkInputs(parsed, problems);
  // From the raw value, of which nothing was taken out.
  const raw = getPath(value, ["stages"]).value;
  checkIds(isRecord(raw) ? Object.keys(raw) : [], { families, groups }, problems);
  const infinite = addInfinite(parsed, finding);

  const folder = dirname(resolve(file));
  const resolveFile = (written: string) => isAbsolute(written) ? written : resolve(folder, written);
  const entries = new Map(Object.entries(parsed.stages));
  const kinds = await resolveKinds(entries, options.kinds, resolveFile, problems);
  for (const [id, parts] of broken) if (parts.has("uses")) kinds.set(id, undefined);

  // Params that have been reported once are not reported again as values of the wrong type.
  const reported = new Set([...unresolved.map((path) => String(path[1])), ...infinite]);
  const built = buildStages(entries, kinds, { reported, broken, seed: parsed.seed, ...finding });
  const { order, rest } = topologicalOrder(built.edges);
  if (rest.length > 0) problems.addAll([cycleProblem(findCycle(built.edges, rest), origins)]);

  const ordered = order.map((id) => built.stages.get(id)).filter((stage) => stage !== undefined);
  const work = checkFacts(ordered, origins, problems);
  const found = onceEach(problems.diagnostics(origins));
  if (found.some(({ severity }) => severity === "error")) {
    // Files that are not there would be found when keys are made, which is not reached.
    return refuse(onceEach([...found, ...ordered.flatMap((stage) => missingExternals(stage, folder, origins))]));
  }

  const stages = new Map(ordered.map((stage) => [stage.id, { ...stage, ...work.get(stage.id) }]));
  const { name, seed } = parsed;
  const together = new Map([...families, ...groups]);
  const given = { file, folder, profiles, knownProfiles, overrides };
  return succeed({ name, seed, ...given, stages, families: together, leftOut, origins }, found);
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
function checkIds(
  resolved: readonly string[],
  { families, groups }: Pick<ResolvedDocument, "families" | "groups">,
  problems: Problems,
): void {
  const children = new Set([...families.values()].flat());
  // Of an inner pipeline's stage the part of the id that its file says.
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

/** A pipeline that wants something from outside is a part of another one. */
function checkInputs({ inputs = {} }: PipelineFile, problems: Problems): void {
  const names = Object.keys(inputs);
  if (names.length === 0) return;
  const fix = "use it as a stage of another pipeline: uses: ./file.yaml, with inputs";
  const message = `this pipeline needs ${names.join(", ")}`;
  problems.add(["inputs"], message, fix, { code: "missing-input", target: "key" });
}

/**
 * Params of custom stages travel as JSON, which has no NaN; built-in schemas refuse it by themselves.
 * @returns the stages that have one
 */
function addInfinite(parsed: PipelineFile, finding: Parameters<typeof addIssues>[2]): string[] {
  return Object.entries(parsed.stages).filter(([, { uses }]) => isCustom(uses)).flatMap(([id, entry]) => {
    const issues: ParamIssue[] = [];
    mapLeaves(entry.with, (input, path) => {
      if (typeof input === "number" && !Number.isFinite(input)) {
        issues.push({ code: "invalid_type", path, message: "a finite number", input });
      }
      return input;
    });
    addIssues(issues, ["stages", id, "with"], finding);
    return issues.length > 0 ? [id] : [];
  });
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
