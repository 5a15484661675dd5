// deno-lint-ignore-file no-console -- a tool prints what it finds
/**
 * Checks the direction of imports, cycles, access to the machine, the length of files, and that exports are used.
 *
 *     deno task check:layers
 *
 * @module
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { type Edge, readTree, type SourceFile } from "./layers/module_graph.ts";
import { findCycle, topologicalOrder } from "../engine/pipeline/compose/order.ts";
import { blankOut, findDeadExports } from "./layers/dead_exports.ts";
import { ENTRIES, EXCEPTIONS, type Layer, layerOf, LAYERS, REMOVABLE, ROOMS, TEST_DOORS } from "./layers/rules.ts";

/** One breach of a rule. */
interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
  readonly fix: string;
}

/** Longer files give a reason for their length at their top. */
const MAX_LINES = 400;
const RE_EXPORT = /export\s+(type\s+)?(\{[^}]*\}|\*(\s+as\s+\w+)?)\s*from\s*"[^"\n]+"\s*;?/g;

const lineOf = (text: string, offset: number) => text.slice(0, offset).split("\n").length;

function checkEdge(path: string, layer: Layer, edge: Edge): Violation | undefined {
  const { target, line, typeOnly } = edge;
  const name = layerOf(path);
  if ("package" in target) {
    const known = target.package.startsWith("node:") ? [target.package, "node:"] : [target.package];
    const allowed = layer.packages?.some((one) => known.includes(one)) ?? true;
    if (allowed && !layer.notPackages?.some((one) => known.includes(one))) return undefined;
    return { path, line, message: `${name} may not import the package "${target.package}"`, fix: layer.fix };
  }
  const to = layerOf(target.file);
  for (const { of, order } of ROOMS) {
    const [from, below] = [path, target.file].map((one) => order.indexOf(of.exec(one)?.[1] ?? ""));
    if (from! < 0 || below! <= from!) continue;
    const message = `${order[from!]} may not import ${order[below!]}, a room after it`;
    return { path, line, message, fix: `the order is ${order.join(", ")}: move what both need into the earlier room` };
  }
  const excepted = EXCEPTIONS.some((one) => path.startsWith(one.from) && one.to.test(target.file));
  if (layer.imports.includes(to) || excepted) return undefined;
  if (layer.types?.includes(to) !== true) {
    return { path, line, message: `${name} may not import ${target.file}`, fix: layer.fix };
  }
  if (typeOnly) return undefined;
  return { path, line, message: `${name} may import only types of ${to}`, fix: `write import type, or: ${layer.fix}` };
}

/** Finds imports without which the cluster's room could not be deleted. */
function checkRemovable({ path, edges }: SourceFile): Violation[] {
  if (REMOVABLE.files.test(path) || REMOVABLE.users.test(path)) return [];
  const fix = "give the run an executor (engine/run/executor.ts) that does what is needed";
  return edges.filter((edge) => REMOVABLE.files.test(fileOf(edge))).map((edge) => {
    return { path, line: edge.line, message: `${path} may not import ${fileOf(edge)}, which can be deleted`, fix };
  });
}

/** Finds uses of `Deno.*` in a layer that must not access the machine. */
function checkGlobals(file: SourceFile, layer: Layer): Violation[] {
  if (layer.deno) return [];
  const code = blankOut(file.text);
  return [...code.matchAll(/(?<![\w$.])Deno\s*[.[]/g)].map((match) => ({
    path: file.path,
    line: lineOf(code, match.index),
    message: `${layerOf(file.path)} may not use Deno.*`,
    fix: layer.fix,
  }));
}

/** Checks that a module at the top only lists public exports; code in it would belong to no layer. */
function checkPublicModule(file: SourceFile): Violation[] {
  const rest = blankOut(blankOut(file.text, RE_EXPORT));
  const at = rest.search(/\S/);
  if (at < 0) return [];
  const fix = "move the code into its layer and re-export it here";
  return [{ path: file.path, line: lineOf(rest, at), message: `${file.path} holds re-exports only`, fix }];
}

function checkLength({ path, text }: SourceFile): Violation[] {
  const lines = text.replace(/\n$/, "").split("\n");
  if (lines.length <= MAX_LINES || /^\s*(\/\/|\/\*)/.test(lines[0]!)) return [];
  const message = `the file has ${lines.length} lines, more than ${MAX_LINES}`;
  const fix = "split it by what it does, or begin it with a comment that says why it is long";
  return [{ path, line: 1, message, fix }];
}

/** Checks a tree. Folders that are not layers, such as tests and tools, are checked only for cycles and length. */
export function checkTree(files: ReadonlyMap<string, SourceFile>): Violation[] {
  const found: Violation[] = [];
  for (const file of files.values()) {
    const layer = Object.hasOwn(LAYERS, layerOf(file.path)) ? LAYERS[layerOf(file.path)] : undefined;
    if (layer !== undefined) {
      found.push(
        ...file.edges.flatMap((edge) => checkEdge(file.path, layer, edge) ?? []),
        ...checkGlobals(file, layer),
      );
    }
    if (file.path === "mod.ts" || file.path.startsWith("package/doors/")) {
      found.push(...checkPublicModule(file));
    }
    found.push(...checkRemovable(file), ...checkLength(file));
  }
  return [...found, ...checkCycles(files)];
}

/** Finds exports that nobody needs. */
export function checkExports(files: ReadonlyMap<string, SourceFile>): Violation[] {
  const isEntry = (path: string) => ENTRIES.some((entry) => path.startsWith(entry));
  const found = findDeadExports(files, isEntry).filter(({ name }) => !TEST_DOORS.includes(name));
  return found.map(({ path, line, name, isTested }) => ({
    path,
    line,
    message: isTested ? `only tests use ${name}` : `no other file uses the export ${name}`,
    fix: isTested ? "move it into tests/" : "delete it; if its own file uses it, delete the word export",
  }));
}

/**
 * Finds import cycles, including those of types only: two files that know each other's types are one file in two parts.
 */
function checkCycles(files: ReadonlyMap<string, SourceFile>): Violation[] {
  const found: Violation[] = [];
  const targets = new Map(files.values().map(({ path, edges }) => [path, edges.map(fileOf)]));
  for (let rest = restOf(targets); rest.length > 0; rest = restOf(targets)) {
    const walk = findCycle(targets, rest);
    const steps = walk.slice(0, -1).map((path, index) => {
      const edge = files.get(path)!.edges.find((one) => fileOf(one) === walk[index + 1])!;
      return { path, line: edge.line };
    });
    const shown = steps.map(({ path, line }) => `${path}:${line}`);
    const message = `imports go in a circle: ${[...shown, walk[0]].join(" -> ")}`;
    found.push({ ...steps[0]!, message, fix: "move what both need into a file that imports neither" });
    // After its first step is removed, another cycle may remain.
    targets.set(walk[0]!, targets.get(walk[0]!)!.filter((one) => one !== walk[1]));
  }
  return found;
}

const restOf = (targets: ReadonlyMap<string, string[]>) => topologicalOrder(targets).rest;

function fileOf({ target }: Edge): string {
  return "file" in target ? target.file : "";
}

/** Formats a violation for editors and people. */
export function formatViolation({ path, line, message, fix }: Violation): string {
  return `${path}:${line}: ${message}\n  fix: ${fix}`;
}

if (import.meta.main) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const files = await readTree(root);
  const violations = [...checkTree(files), ...checkExports(files)];
  for (const violation of violations) console.error(formatViolation(violation));
  if (violations.length > 0) console.error(`\n${violations.length} violations of the layers`);
  Deno.exit(violations.length > 0 ? 1 : 0);
}
