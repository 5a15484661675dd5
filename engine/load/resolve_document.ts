import { dirname, isAbsolute, join, resolve } from "node:path";
import { composeDocument } from "../compose/compose.ts";
import { expandMatrices, hasMatrix, type IsListPort } from "../compose/expand.ts";
import { type Diagnostic, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { type DocumentPath, formatPath, type SourceDocument } from "../source/document.ts";
import { parseYamlCached } from "../source/parse_cache.ts";
import { readSource } from "../source/read_source.ts";
import { findStoreRoot } from "../store/store.ts";
import { interpolate } from "./interpolate.ts";
import { type BuiltinKinds, describeAll, isCustom } from "./kinds.ts";
import { makeOrigins, type Origins } from "./origin.ts";
import { applyOverrides } from "./overrides.ts";
import { isRecord } from "./tree.ts";

export interface DocumentOptions {
  readonly kinds: BuiltinKinds;
  readonly overrides: readonly string[];
  readonly profiles: readonly string[];
  readonly cacheFolder: string | undefined;
}

/** A pipeline file after everything that texts can say was applied; only the schemas' defaults are missing. */
export interface ResolvedDocument {
  readonly value: unknown;
  readonly origins: Origins;
  readonly problems: readonly Diagnostic[];
  /** Paths whose value could not be resolved, in the resolved document. */
  readonly unresolved: readonly DocumentPath[];
  /** Children of a matrix by the id that the file gives their stage. */
  readonly families: ReadonlyMap<string, readonly string[]>;
}

/** extends, profiles, overrides, interpolation and matrix, in this order. */
export async function resolveDocument(file: string, options: DocumentOptions): Promise<Result<ResolvedDocument>> {
  const cacheFolder = options.cacheFolder ?? join(findStoreRoot(dirname(resolve(file))), "cache");
  const document = await composeDocument(file, {
    read: (path, name) => readDocument(path, name, cacheFolder),
    profiles: options.profiles,
  });
  if (!document.ok) return document;
  const overridden = applyOverrides(document.value.value, options.overrides);
  const replaced = interpolate(overridden.value);
  const expands = replaced.usesMatrix || hasMatrix(replaced.value);
  const expanded = expands
    ? expandMatrices(replaced.value, await findListPorts(replaced.value, options.kinds, dirname(resolve(file))))
    : { value: replaced.value, families: new Map<string, string[]>(), interpolations: [], problems: [] };

  const origins = makeOrigins(document.value, {
    overrides: overridden.overrides,
    interpolations: [...expanded.interpolations, ...replaced.interpolations],
    families: expanded.families,
  });
  const placed = [...replaced.problems, ...expanded.problems];
  const problems: Diagnostic[] = [...overridden.problems];
  for (const { path, problem } of placed) {
    const span = origins.locate(path);
    problems.push({ ...problem, path: formatPath(path), ...(span === undefined ? {} : { span }) });
  }
  const unresolved = placed.flatMap(({ path }) => {
    const [root, id, ...rest] = path;
    const children = root === "stages" ? expanded.families.get(String(id)) : undefined;
    return [path, ...children?.map((child) => ["stages", child, ...rest]) ?? []];
  });
  return succeed({ value: expanded.value, origins, problems, unresolved, families: expanded.families });
}

async function readDocument(file: string, name: string, cacheFolder: string): Promise<Result<SourceDocument>> {
  if (/\.[mc]?[jt]s$/.test(file)) {
    const { evaluatePipeline } = await import("../process/evaluate_pipeline.ts");
    return await evaluatePipeline(resolve(file), name);
  }
  const source = readSource(file, name);
  if (!source.ok) return source;
  if (source.value.text.trim() === "") {
    return refuse([{
      severity: "error",
      code: "missing-key",
      message: `${name} is empty`,
      wanted: "name and stages",
      fix: "start from pipelines/smoke.yaml",
    }]);
  }
  return parseYamlCached(source.value, cacheFolder);
}

/** Which ports take lists, from the kinds of the stages; those of custom stages are asked for. */
async function findListPorts(root: unknown, builtins: BuiltinKinds, folder: string): Promise<IsListPort> {
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
  const listIn = (written: string, port: string): boolean | undefined => {
    const outcome = described.get(fileOf(written));
    const kind = outcome === undefined ? builtins[written] : "kind" in outcome ? outcome.kind : undefined;
    const found = kind !== undefined && Object.hasOwn(kind.inputs, port) ? kind.inputs[port] : undefined;
    return found === undefined ? undefined : found.list === true;
  };
  return (stage, port) => {
    const written = uses.get(stage);
    if (written === undefined) return undefined;
    const axis = /^\$\{\s*matrix\.([A-Za-z0-9_]+)\s*\}$/.exec(written)?.[1];
    if (axis === undefined) return listIn(written, port);
    // A kind that the matrix chooses: what all of its values say of the port.
    const answers = new Set(axisTexts(root, stages[stage], axis).map((kind) => listIn(kind, port)));
    return answers.size === 1 ? [...answers][0] : undefined;
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
