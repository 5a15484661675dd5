import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { type Diagnostic, errorOf, refuse, type Result, succeed } from "../../diagnostic/diagnostic.ts";
import { suggestName } from "../../../std/did_you_mean.ts";
import { type DocumentPath, refuseAt, type SourceDocument } from "../../diagnostic/document.ts";
import { showValue } from "../../diagnostic/format.ts";
import { Problems } from "../../diagnostic/problems.ts";
import { asMap, isRecord } from "../source/tree.ts";
import { type Layer, layeredDocument, mergeValues, rebase } from "./layers.ts";

/** Reads one pipeline file, whatever it extends. @param name the file as messages call it */
export type ReadDocument = (file: string, name: string) => Promise<Result<SourceDocument>>;

/** Deep enough for any experiment, and found out before a chain of files that grows by itself fills the memory. */
const MAX_FILES = 32;
/** What a profile may say; the name of the pipeline is its identity and stays. */
const PROFILE_KEYS = ["description", "seed", "vars", "stages", "matrix"];

interface Stack {
  readonly value: unknown;
  /** Lowest first. */
  readonly layers: readonly Layer[];
}

/**
 * Read a pipeline file with all that it extends, and lay the wanted profiles over it. A file is laid over those that it
 * extends, the last of them over the others, and profiles over all files.
 * @param profiles `--profile` names, in order
 */
export async function composeDocument(
  file: string,
  { read, profiles }: { readonly read: ReadDocument; readonly profiles: readonly string[] },
): Promise<Result<SourceDocument>> {
  const home = dirname(resolve(file));
  const files: string[] = [];

  const readStack = async (path: string, name: string, chain: readonly string[]): Promise<Result<Stack>> => {
    const document = await read(path, name);
    if (!document.ok) return document;
    const { value } = document.value;
    files.push(path);
    if (!isRecord(value)) return succeed({ value, layers: [{ document: document.value, prefix: [] }] });
    const bases = basesOf(document.value);
    if (!bases.ok) return bases;
    let stack: Stack | undefined;
    for (const { written, at } of bases.value) {
      const base = resolve(dirname(path), written);
      const problem = chain.includes(base)
        ? `files extend each other: ${[...chain, base].map((one) => relative(home, one)).join(" -> ")}`
        : files.length >= MAX_FILES
        ? `more than ${MAX_FILES} files extend each other`
        : undefined;
      if (problem !== undefined) {
        return refuseAt(document.value, at, problem, "remove one of these");
      }
      const under = await readStack(base, shownName(name, written), [...chain, base]);
      if (!under.ok) return refuse(under.diagnostics.map((one) => extendedBy(one, document.value, at)));
      stack = stack === undefined ? under.value : over(stack, under.value.value, under.value.layers);
    }
    if (chain.length === 1 && bases.value.length > 0 && !Object.hasOwn(value, "name")) {
      const message = "name is missing: two pipelines of one name would share the folder of their outputs";
      const fix = "add name, different from that of the file it extends";
      return refuseAt(document.value, ["extends"], message, fix, { code: "missing-key", target: "key" });
    }
    const { extends: _extends, ...said } = value;
    const own = rebase(said, relative(home, dirname(path)));
    const layers = [{ document: document.value, prefix: [] }];
    return succeed(stack === undefined ? { value: own, layers } : over(stack, own, layers));
  };

  const path = resolve(file);
  const stack = await readStack(path, file, [path]);
  if (!stack.ok) return stack;
  const { value, layers } = stack.value;
  const simple = layers.length === 1 && profiles.length === 0 && !(isRecord(value) && "profiles" in value);
  if (simple) return succeed(layers[0]!.document);
  return applyProfiles(stack.value, profiles, file);
}

function over(stack: Stack, value: unknown, layers: readonly Layer[]): Stack {
  return { value: mergeValues(stack.value, value), layers: [...stack.layers, ...layers] };
}

function applyProfiles({ value, layers }: Stack, wanted: readonly string[], file: string): Result<SourceDocument> {
  const files = layeredDocument(value, layers);
  const { profiles: all, ...base } = asMap(value);
  const problems = new Problems();
  checkProfiles(all, problems);
  const known = asMap(all);
  let result: unknown = base;
  const above: Layer[] = [];
  for (const name of wanted) {
    const profile = Object.hasOwn(known, name) ? known[name] : undefined;
    if (profile === undefined) {
      const names = Object.keys(known);
      const fix = names.length === 0 ? "remove --profile; the file has no profiles" : suggestName(name, names);
      const message = `cannot use --profile ${name}: ${file} has no such profile`;
      problems.addAll([errorOf("override", message, fix)]);
      continue;
    }
    result = mergeValues(result, profile);
    above.push(...layers.map(({ document }) => ({ document, prefix: ["profiles", name], label: `profile ${name}` })));
  }
  if (problems.count > 0) return refuse(problems.diagnostics(files));
  const document = layeredDocument(result, [...layers, ...above]);
  // The top file stands for the whole.
  const whole = layers.at(-1)!.document.whole ?? document.whole;
  return succeed({ ...document, whole, profiles: Object.keys(known) });
}

function checkProfiles(profiles: unknown, problems: Problems): void {
  if (profiles === undefined) return;
  if (!isRecord(profiles)) {
    const details = { got: showValue(profiles), wanted: "a map of names to parts of a pipeline" };
    problems.add(["profiles"], "profiles is not valid", "write profiles: { small: { stages: { … } } }", details);
    return;
  }
  for (const [name, profile] of Object.entries(profiles)) {
    const [at, title] = [["profiles", name], `profiles.${name}`];
    if (!isRecord(profile)) {
      const fix = "write what it changes, such as stages: { train: { with: { steps: 100 } } }";
      problems.add(at, `${title} is not valid`, fix, { got: showValue(profile), wanted: "a map" });
      continue;
    }
    const say = (key: string) => `unknown key "${key}" in ${title}`;
    problems.addUnknown(at, Object.keys(profile), { known: PROFILE_KEYS, say, code: "unknown-key", target: "key" });
  }
}

function basesOf(document: SourceDocument): Result<{ written: string; at: DocumentPath }[]> {
  const written = asMap(document.value)["extends"];
  if (written === undefined) return succeed([]);
  const list: unknown[] = [written].flat();
  const wrong = list.find((each) => typeof each !== "string" || each === "");
  if (list.length > 0 && wrong === undefined) {
    const place = (index: number) => Array.isArray(written) ? ["extends", index] : ["extends"];
    return succeed(list.map((each, index) => ({ written: each as string, at: place(index) })));
  }
  const details = { got: showValue(wrong ?? written), wanted: "a path of a pipeline file, or a list of them" };
  return refuseAt(document, ["extends"], "extends is not valid", "write extends: ./base.yaml", details);
}

/** What is wrong in a base, with the place that made it part of this pipeline. */
function extendedBy(problem: Diagnostic, document: SourceDocument, at: DocumentPath): Diagnostic {
  const span = document.locate(at);
  if (span === undefined) return problem;
  if (problem.span === undefined) return { ...problem, span };
  return { ...problem, related: [...problem.related ?? [], { message: "extended here", span }] };
}

/** A file as messages call it, from how it is written in another one. */
export function shownName(from: string, written: string): string {
  return isAbsolute(written) ? written : join(dirname(from), written);
}
