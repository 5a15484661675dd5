import { dirname, isAbsolute, relative, resolve } from "node:path";
import { type Diagnostic, refuse, type Result, succeed } from "../../diagnostic/diagnostic.ts";
import { suggestName } from "../../diagnostic/did_you_mean.ts";
import { showValue } from "../../diagnostic/format.ts";
import { isRecord } from "../source/tree.ts";
import { diagnosticAt, type DocumentPath, type SourceDocument } from "../../diagnostic/document.ts";
import { type Layer, layeredDocument } from "./layers.ts";
import { mergeValues } from "./merge.ts";
import { rebase } from "./rebase.ts";
import { readVars } from "./vars_files.ts";

/** Reads one pipeline file, whatever it extends. @param name the file as messages call it */
export type ReadDocument = (file: string, name: string) => Promise<Result<SourceDocument>>;

export interface ComposeOptions {
  readonly read: ReadDocument;
  /** `--profile` names, in order. */
  readonly profiles: readonly string[];
}

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
 */
export async function composeDocument(
  file: string,
  { read, profiles }: ComposeOptions,
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
        return refuse([
          diagnosticAt(document.value, at, { code: "invalid-value", message: problem, fix: "remove one of these" }),
        ]);
      }
      const under = await readStack(base, nameOf(name, written), [...chain, base]);
      if (!under.ok) return refuse(under.diagnostics.map((one) => extendedBy(one, document.value, at)));
      stack = stack === undefined ? under.value : over(stack, under.value.value, under.value.layers);
    }
    if (chain.length === 1 && bases.value.length > 0 && !Object.hasOwn(value, "name")) {
      return refuse([diagnosticAt(document.value, ["extends"], {
        code: "missing-key",
        message: "name is missing: two pipelines of one name would share the folder of their outputs",
        fix: "add name, different from that of the file it extends",
      }, "key")]);
    }
    const vars = await readVars(document.value, { path, nameOf: (written) => nameOf(name, written), read });
    if (!vars.ok) return vars;
    const said = vars.value === undefined ? value : { ...value, vars: vars.value.vars };
    const own = rebase(withoutKey(said, "extends"), relative(home, dirname(path)));
    const layers = [...vars.value?.layers ?? [], { document: document.value, prefix: [] }];
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
  const all = isRecord(value) ? value["profiles"] : undefined;
  const problems = profileProblems(all, files);
  const known = isRecord(all) ? all : {};
  let result = withoutKey(value, "profiles");
  const above: Layer[] = [];
  for (const name of wanted) {
    const profile = Object.hasOwn(known, name) ? known[name] : undefined;
    if (profile === undefined) {
      const names = Object.keys(known);
      problems.push({
        severity: "error",
        code: "override",
        message: `cannot use --profile ${name}: ${file} has no such profile`,
        fix: names.length === 0 ? "remove --profile; the file has no profiles" : suggestName(name, names),
      });
      continue;
    }
    result = mergeValues(result, profile);
    above.push(...layers.map(({ document }) => ({
      document,
      prefix: ["profiles", name],
      label: `profile ${name}`,
    })));
  }
  // The top file stands for the whole, so it comes first among those that say where.
  const [top, ...rest] = [layers.at(-1)!, ...layers.slice(0, -1)];
  const document = layeredDocument(result, [...layers, ...above]);
  const composed: SourceDocument = {
    ...document,
    value: result,
    profiles: Object.keys(known),
    get whole() {
      return top!.document.whole ?? rest[0]?.document.whole;
    },
  };
  return problems.length > 0 ? refuse(problems) : succeed(composed);
}

function profileProblems(profiles: unknown, document: SourceDocument): Diagnostic[] {
  if (profiles === undefined) return [];
  if (!isRecord(profiles)) {
    return [diagnosticAt(document, ["profiles"], {
      code: "invalid-value",
      message: "profiles is not valid",
      got: showValue(profiles),
      wanted: "a map of names to parts of a pipeline",
      fix: "write profiles: { small: { stages: { … } } }",
    })];
  }
  return Object.entries(profiles).flatMap(([name, profile]) => {
    const at = ["profiles", name];
    if (!isRecord(profile)) {
      const fix = "write what it changes, such as stages: { train: { with: { steps: 100 } } }";
      return [
        diagnosticAt(document, at, {
          code: "invalid-value",
          message: `${at.join(".")} is not valid`,
          got: showValue(profile),
          wanted: "a map",
          fix,
        }),
      ];
    }
    return Object.keys(profile).filter((key) => !PROFILE_KEYS.includes(key)).map((key) =>
      diagnosticAt(document, [...at, key], {
        code: "unknown-key",
        message: `unknown key "${key}" in ${at.join(".")}`,
        fix: suggestName(key, PROFILE_KEYS),
      }, "key")
    );
  });
}

function basesOf(document: SourceDocument): Result<{ written: string; at: DocumentPath }[]> {
  const { value } = document;
  const written = isRecord(value) ? value["extends"] : undefined;
  if (written === undefined) return succeed([]);
  const list = Array.isArray(written) ? written : [written];
  const wrong = list.find((each) => typeof each !== "string" || each === "");
  if (list.length > 0 && wrong === undefined) {
    const place = (index: number) => Array.isArray(written) ? ["extends", index] : ["extends"];
    return succeed(list.map((each: string, index) => ({ written: each, at: place(index) })));
  }
  return refuse([diagnosticAt(document, ["extends"], {
    code: "invalid-value",
    message: "extends is not valid",
    got: showValue(wrong ?? written),
    wanted: "a path of a pipeline file, or a list of them",
    fix: "write extends: ./base.yaml",
  })]);
}

/** What is wrong in a base, with the place that made it part of this pipeline. */
function extendedBy(problem: Diagnostic, document: SourceDocument, at: DocumentPath): Diagnostic {
  const span = document.locate(at);
  if (span === undefined) return problem;
  if (problem.span === undefined) return { ...problem, span };
  return { ...problem, related: [...problem.related ?? [], { message: "extended here", span }] };
}

function nameOf(from: string, written: string): string {
  if (isAbsolute(written)) return written;
  const folder = dirname(from);
  return folder === "." ? written.replace(/^\.\//, "") : `${folder}/${written}`.replaceAll("/./", "/");
}

function withoutKey(value: unknown, key: string): unknown {
  if (!isRecord(value)) return value;
  const { [key]: _, ...rest } = value;
  return rest;
}
