import { type Diagnostic, errorOf } from "../../diagnostic/diagnostic.ts";
import { commandSchema } from "../../../schemas/command.ts";
import { didYouMean, listNames, suggestName } from "../../../std/did_you_mean.ts";
import { cutText, showValue } from "../../diagnostic/format.ts";
import { asMap, type Entries, getPath, isRecord, MAX_DEPTH } from "../source/tree.ts";
import type { DocumentPath } from "../../diagnostic/document.ts";
import { parseYaml } from "../source/parse_yaml.ts";
import type { Layer } from "../compose/compose.ts";

function problem(text: string, message: string, fix: string, got?: string): Diagnostic {
  return errorOf("override", `cannot apply --set ${cutText(text)}: ${message}`, fix, { got: got && cutText(got) });
}

const HOW = "write --set stage.param=value, stage.list+=value, ~stage.param to remove it, vars.name=value or seed=1";

/** Returns the document path that a dotted override path means, or why it means none. */
function placeOverride(text: string, dotted: string, root: Entries): DocumentPath | Diagnostic {
  const parts = dotted.split(".");
  const [first, ...rest] = parts as [string, ...string[]];
  if (parts.includes("__proto__")) return problem(text, "__proto__ is not a name", HOW, dotted);
  if (parts.length > MAX_DEPTH) return problem(text, "the path is too long", HOW, `${parts.length} parts`);
  if (parts.some((part) => part === "")) return problem(text, "the path has an empty part", HOW, dotted);
  if (first === "seed") {
    return rest.length === 0 ? ["seed"] : problem(text, '"seed" has no parts', "write --set seed=1", dotted);
  }
  if (first === "vars") {
    const vars = asMap(root["vars"]);
    if (rest.length === 0) return problem(text, '"vars" needs a name', "write --set vars.name=value", dotted);
    if (!Object.hasOwn(vars, rest[0]!)) {
      return problem(text, `the pipeline has no var "${rest[0]}"`, suggestName(rest[0]!, Object.keys(vars)));
    }
    return ["vars", ...rest];
  }
  const stages = asMap(root["stages"]);
  if (!Object.hasOwn(stages, first)) {
    const made = /^([^[/.=]+)(?:\[[^\]]*\]|\/[^.=]*)\.([^=+]+)/.exec(text.replace(/^~/, ""));
    if (made !== null && Object.hasOwn(stages, made[1]!)) {
      const message = `the params of "${first}" are those of stage "${made[1]}", from which the pipeline makes it`;
      return problem(text, message, `did you mean "${made[1]}.${made[2]!.trim()}"?`);
    }
    const known = [...Object.keys(stages), "vars", "seed"];
    return problem(text, `the pipeline has no stage "${first}"`, suggestName(first, known));
  }
  if (rest.length === 0) return problem(text, `"${first}" is a stage; name one of its params`, HOW);
  if (rest.length > 1 && rest[0] === "with" && !Object.hasOwn(asMap(asMap(stages[first])["with"]), "with")) {
    const meant = [first, ...rest.slice(1)].join(".");
    return problem(text, `stage "${first}" has no param "with"`, `did you mean "${meant}"?`);
  }
  return ["stages", first, "with", ...rest];
}

/** Copies a list or map before it is changed: parts of a document may be shared, as aliases share them. */
function copyOf(value: unknown): unknown {
  return Array.isArray(value) ? [...value] : isRecord(value) ? { ...value } : value;
}

/** True if a new `uses` or `name` means another thing, which keeps nothing of what is there, as in layers of files. */
function displaces(node: Record<string, unknown>, path: DocumentPath, value: unknown): boolean {
  if (path[0] !== "stages" || path.length < 4) return false;
  const part = path.at(-1);
  if (part === "name") return Object.hasOwn(node, "uses");
  return part === "uses" && node["uses"] !== value && /\.[mc]?[jt]s$/.test(String(value));
}

/** Returns the index at which a path's part after the name of the stage begins, which the user typed. */
function ownPart(path: DocumentPath): number {
  return path[0] === "stages" ? 3 : 0;
}

/**
 * Puts a value at a path, or removes what is there if the value is undefined. Lists keep their shape: `multipliers.1=4`
 * replaces an item, and cannot add one.
 * @returns why that cannot be done, and what to do instead; undefined on success
 */
function change(
  root: Entries,
  path: DocumentPath,
  value: unknown,
): readonly [message: string, fix: string] | undefined {
  let node: unknown = root;
  for (const [index, part] of path.entries()) {
    const last = index === path.length - 1;
    if (Array.isArray(node)) {
      const at = Number(part);
      if (!Number.isInteger(at) || at < 0 || at >= node.length) return [`there is no item "${part}"`, HOW];
      if (!last) node = node[at] = copyOf(node[at]);
      else node.splice(at, 1, ...value === undefined ? [] : [value]);
    } else if (isRecord(node)) {
      if (value === undefined && !Object.hasOwn(node, part)) {
        // A name beside the seed, or beside a stage's params, cannot be meant.
        const known = index < Math.max(1, ownPart(path)) ? [] : Object.keys(node);
        return ["there is nothing to remove", known.length === 0 ? "remove it" : suggestName(`${part}`, known)];
      }
      if (!last) node = node[part] = Object.hasOwn(node, part) ? copyOf(node[part] ?? {}) : {};
      else if (value === undefined) delete node[part];
      else {
        if (displaces(node, path, value)) { for (const key of Object.keys(node)) delete node[key]; }
        node[part] = value;
      }
    } else {
      return [`"${path.slice(0, index).join(".")}" is ${showValue(node)} and has no parts`, HOW];
    }
  }
  return undefined;
}

/** Applies one option. @returns the problem with the option, or the path of the value that it set */
function applyOne(root: Entries, text: string): Diagnostic | DocumentPath {
  const removes = text.startsWith("~");
  // A removal has no value; an = in it belongs to the name of a matrix child.
  const equals = removes ? text.length : text.indexOf("=");
  if (equals <= 0) return problem(text, "there is no path=value", HOW);
  const appends = !removes && text[equals - 1] === "+";
  const path = placeOverride(text, text.slice(removes ? 1 : 0, appends ? equals - 1 : equals).trim(), root);
  if ("severity" in path) return path;
  const parsed = removes ? undefined : parseYaml({ name: "--set", text: text.slice(equals + 1) });
  if (parsed?.ok === false) {
    return problem(text, `the value cannot be read: ${parsed.diagnostics[0]!.message}`, "quote the value");
  }
  const list = appends ? getPath(root, path).value ?? [] : undefined;
  if (list !== undefined && !Array.isArray(list)) {
    const message = `"${path.slice(ownPart(path)).join(".")}" is not a list`;
    return problem(text, message, "write = in place of +=", showValue(list));
  }
  const value = parsed?.value.value;
  const refused = change(root, path, list === undefined ? value : [...list, value]);
  return refused === undefined ? path : problem(text, ...refused);
}

/** Returns the params that a stage of the file gives to a program of the user's: what no schema knows. */
function declaredParams(root: Entries, id: string): string[] {
  const { uses, with: written } = asMap(asMap(root["stages"])[id]);
  if (uses !== "command") return [];
  const { params, ...own } = asMap(written);
  const others = Object.keys(own).filter((name) => name === "steps" || !Object.hasOwn(commandSchema.shape, name));
  return [...Object.keys(asMap(params)).map((name) => `params.${name}`), ...others];
}

/** Finds a number or boolean in whose place another scalar stands. @returns its name and both values */
function findOtherType(before: unknown, after: unknown, name: string): [string, unknown, unknown] | undefined {
  if (isRecord(before) && isRecord(after)) {
    const found = Object.keys(before).map((key) => findOtherType(before[key], after[key], `${name}.${key}`));
    return found.find((one) => one !== undefined);
  }
  const scalar = ["string", "number", "boolean"].includes(typeof after) && !String(after).includes("${");
  const typed = typeof before === "number" || typeof before === "boolean";
  return typed && scalar && typeof after !== typeof before ? [name, before, after] : undefined;
}

/**
 * Refuses another type for a number or boolean that the file gives to a program of the user's: the program would fail
 * after an hour, or compute something else. A number may replace a text (`none`, then 0.1); null or a list, anything.
 */
function checkType(file: Entries, changed: Entries, [root, stage]: DocumentPath, text: string) {
  const id = String(stage);
  if (root !== "stages") return undefined;
  for (const name of declaredParams(file, id)) {
    const path = ["stages", id, "with", ...name.split(".")];
    const found = findOtherType(getPath(file, path).value, getPath(changed, path).value, `${id}.${name}`);
    if (found === undefined) continue;
    const [where, before, after] = found;
    const message = `the file declares "${where}" as the ${typeof before} ${showValue(before)}`;
    return problem(text, message, `give a ${typeof before}, or change the file`, showValue(after));
  }
  return undefined;
}

/** Refuses a param that the file does not declare: its program would not read it, and would compute all the same. */
function checkDeclared(file: Entries, changed: Entries, [root, stage]: DocumentPath, text: string) {
  const [id, plain] = [String(stage), (name: string) => name.replace(/^params\./, "")];
  if (root !== "stages") return undefined;
  const declared = declaredParams(file, id);
  const added = declaredParams(changed, id).find((name) => !declared.includes(name));
  if (added === undefined) return undefined;
  const names = declared.map(plain);
  const near = declared[names.indexOf(plain(added))] ?? declared[names.indexOf(didYouMean(plain(added), names) ?? "")];
  // The kind's schema knows the other names beside the params.
  if (near === undefined && added === plain(added) && added !== "steps") return undefined;
  const fix = near === undefined
    ? [...declared.length > 0 ? [listNames(declared.map((one) => `${id}.${one}`))] : [], "declare it in the file"]
    : [`did you mean "${id}.${near}"?`];
  return problem(text, `the file declares no param "${plain(added)}" of stage "${id}"`, fix.join(", or "));
}

/**
 * Applies `--set` options in order to the raw document, which stays as it is. The kind's schema decides later whether a
 * param exists; the file decides which params the program of a stage has.
 * @returns also a layer for each option, which says where values come from
 */
export function applyOverrides(value: unknown, texts: readonly string[]) {
  const layers: Layer[] = [];
  const problems: Diagnostic[] = [];
  if (texts.length === 0 || !isRecord(value)) return { value, layers, problems };
  let root = { ...value };
  for (const text of texts) {
    const changed = { ...root };
    const applied = applyOne(changed, text);
    const refused = "severity" in applied ? applied : checkDeclared(value, changed, applied, text) ??
      checkType(value, changed, applied, text);
    if (refused !== undefined) {
      problems.push(refused);
      continue;
    }
    root = changed;
    const document = { ...NOWHERE, origin: () => `--set ${cutText(text)}` };
    layers.push({ document, prefix: [], at: applied as DocumentPath });
  }
  return { value: root as unknown, layers, problems };
}

/** The command line has no text to point into. */
const NOWHERE = { value: undefined, locate: () => undefined, whole: undefined };
