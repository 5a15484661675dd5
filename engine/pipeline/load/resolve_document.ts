import { dirname, isAbsolute, resolve } from "node:path";
import { errorOf, refuse, type Result, succeed } from "../../diagnostic/diagnostic.ts";
import { type DocumentPath, formatPath, type Origins, type SourceDocument } from "../../diagnostic/document.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import type { Kind } from "../../keys/kind.ts";
import { composeDocument } from "../compose/compose.ts";
import { leaveOut } from "../compose/conditions.ts";
import { expandMatrices, hasMatrix, type IsListPort, notExpanded, spreadSeed } from "../compose/expand.ts";
import { interpolate } from "../compose/interpolate.ts";
import { layeredDocument } from "../compose/layers.ts";
import { includePipelines } from "../compose/subpipelines.ts";
import type { Pipeline } from "../pipeline.ts";
import { Budget } from "../source/budget.ts";
import { parseYaml } from "../source/parse_yaml.ts";
import { readSource } from "../source/read_source.ts";
import { isRecord } from "../source/tree.ts";
import { type BuiltinKinds, describeAll, isCustom } from "./kinds.ts";
import { makeOrigins } from "./origin.ts";
import { applyOverrides } from "./overrides.ts";

export interface DocumentOptions {
  readonly kinds: BuiltinKinds;
  readonly overrides: readonly string[];
  readonly profiles: readonly string[];
  readonly problems: Problems;
}

/** A pipeline file after everything that texts can say was applied; only the schemas' defaults are missing. */
export interface ResolvedDocument extends Pick<Pipeline, "origins" | "families" | "leftOut" | "knownProfiles"> {
  readonly value: unknown;
  /** Paths whose value could not be resolved, in the resolved document. */
  readonly unresolved: readonly DocumentPath[];
  /** Stages of inner pipelines by the id of the stage that they came of. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
}

/** extends, profiles, overrides, interpolation, inner pipelines, matrix and conditions, in this order. */
export async function resolveDocument(file: string, options: DocumentOptions): Promise<Result<ResolvedDocument>> {
  const { kinds, problems } = options;
  const budget = new Budget();
  const read = oncePerFile<Result<SourceDocument>>(async (path, name) => {
    const found = await readDocument(path, name);
    const message = found.ok ? budget.take(found.value.value) : undefined;
    if (!found.ok || message === undefined) return found;
    const fix = "split the experiment into several pipelines";
    return refuse([errorOf("file-too-large", message, fix, { span: found.value.whole })]);
  });
  const document = await composeDocument(file, { read, profiles: options.profiles });
  if (!document.ok) return document;
  const overridden = applyOverrides(document.value.value, options.overrides);
  problems.addAll(overridden.problems);
  const replaced = interpolate(overridden.value, problems, budget);
  const folder = dirname(resolve(file));
  const included = await includePipelines(replaced.value, {
    file,
    document: document.value,
    read: oncePerFile((inner) => composeDocument(inner, { read, profiles: [] })),
    isSeeded: (uses) => isCustom(uses) || kinds[uses]?.seeded === true,
    budget,
    problems,
  });
  const expands = replaced.usesMatrix || included.usesMatrix || hasMatrix(included.value);
  const found = expands && !budget.spent ? await lookUpKinds(included.value, kinds, folder) : undefined;
  const expanded = found === undefined
    ? notExpanded(included.value)
    : expandMatrices(spreadSeed(included.value, found.isSeeded), found.isListPort, { problems, budget });
  const pruned = leaveOut(expanded.value);

  const whole = included.layers.length === 0
    ? document.value
    : layeredDocument(pruned.value, [{ document: document.value, prefix: [] }, ...included.layers]);
  const origins = makeOrigins(whole, {
    overrides: overridden.overrides,
    interpolations: [...expanded.interpolations, ...included.interpolations, ...replaced.interpolations],
    families: expanded.families,
  });
  // What is too large is not looked at further.
  if (budget.spent) return refuse(problems.diagnostics(origins));
  const wrong = problems.wrongPaths;
  const broken = new Set(wrong.map(formatPath));
  // Values that inner pipelines were to be given are missing there too.
  const missing = included.interpolations.filter(({ from }) => broken.has(formatPath(from))).map(({ path }) => path);
  const unresolved = [...wrong, ...missing, ...expanded.unresolved].flatMap((path) => {
    const [root, id, ...rest] = path;
    const children = root === "stages" ? expanded.families.get(String(id)) : undefined;
    return [path, ...children?.map((child) => ["stages", child, ...rest]) ?? []];
  });
  const there = (ids: readonly string[]) => ids.filter((id) => !pruned.leftOut.has(id));
  const families = new Map([...expanded.families].map(([id, children]) => [id, there(children)]));
  const groups = new Map([...included.groups].map(([id, members]) => [
    id,
    there(members.flatMap((member) => expanded.families.get(member) ?? [member])),
  ]));
  const leftOut = new Map([...pruned.leftOut].map(([id, { reads }]) => {
    return [id, reads === undefined ? conditionText(id, origins) : `it reads "${reads}", which is left out`];
  }));
  const knownProfiles = document.value.profiles ?? [];
  return succeed({ value: pruned.value, origins, unresolved, families, groups, leftOut, knownProfiles });
}

/** The condition of a stage, or of the pipeline that it is in, with where its value comes from. */
function conditionText(id: string, origins: Origins): string {
  const outer = id.includes("/") ? id.slice(0, id.lastIndexOf("/")) : undefined;
  const value = origins.explain(["stages", id, "when", "value"]);
  const places = value.length > 1 ? value : origins.explain(["stages", id, "when"]);
  if (places[0] === "default" && outer !== undefined) return conditionText(outer, origins);
  return `its when is false (${places.join("; ")})`;
}

/** Many stages may be the same inner pipeline, and many files extend the same one. */
function oncePerFile<T>(read: (path: string, name: string) => Promise<T>): (path: string, name?: string) => Promise<T> {
  const known = new Map<string, Promise<T>>();
  return (path, name = path) => {
    const reading = known.get(path) ?? read(path, name);
    known.set(path, reading);
    return reading;
  };
}

async function readDocument(file: string, name: string): Promise<Result<SourceDocument>> {
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

interface KindLookup {
  readonly isListPort: IsListPort;
  readonly isSeeded: (stage: string) => boolean;
}

type KindFacts = Pick<Kind, "inputs" | "seeded">;

/** What expanding needs to know of the stages' kinds; custom stages are asked. */
async function lookUpKinds(root: unknown, builtins: BuiltinKinds, folder: string): Promise<KindLookup> {
  const stages = isRecord(root) && isRecord(root["stages"]) ? root["stages"] : {};
  const uses = new Map(
    Object.entries(stages).flatMap(([id, entry]) => {
      const written = isRecord(entry) ? entry["uses"] : undefined;
      return typeof written === "string" ? [[id, written] as const] : [];
    }),
  );
  const fileOf = (written: string) => isAbsolute(written) ? written : resolve(folder, written);
  const custom = [...new Set([...uses.values()].filter((one) => isCustom(one) && !one.includes("${")))];
  const described = await describeAll(custom.map((written) => ({ file: fileOf(written), written, params: [] })));
  const find = (written: string): KindFacts | undefined => {
    const outcome = described.get(fileOf(written));
    if (outcome !== undefined) return "kind" in outcome ? outcome.kind : undefined;
    const builtin = Object.hasOwn(builtins, written) ? builtins[written] : undefined;
    return builtin && { inputs: builtin.inputs, seeded: builtin.seeded ?? false };
  };
  /** All that a stage may be: several where the matrix chooses the kind. */
  const kindsOf = (stage: string): readonly (KindFacts | undefined)[] => {
    const written = uses.get(stage);
    if (written === undefined) return [];
    const axis = /^\$\{\s*matrix\.([A-Za-z0-9_]+)\s*\}$/.exec(written)?.[1];
    return axis === undefined ? [find(written)] : axisTexts(root, stages[stage], axis).map(find);
  };
  return {
    isListPort(stage, port) {
      const answers = new Set(
        kindsOf(stage).map((kind) => {
          const found = kind !== undefined && Object.hasOwn(kind.inputs, port) ? kind.inputs[port] : undefined;
          return found === undefined ? undefined : found.list === true;
        }),
      );
      return answers.size === 1 ? [...answers][0] : undefined;
    },
    isSeeded: (stage) => kindsOf(stage).some((kind) => kind?.seeded === true),
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
