import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { type Diagnostic, errorOf, refuse, type Result, type Span, succeed } from "../../diagnostic/diagnostic.ts";
import { suggestName } from "../../../std/did_you_mean.ts";
import { type DocumentPath, refuseAt, type SourceDocument } from "../../diagnostic/document.ts";
import { showValue } from "../../diagnostic/format.ts";
import { pipelineFileSchema } from "../../../schemas/pipeline_file.ts";
import { asMap, type Entries, isRecord, mapLeaves } from "../source/tree.ts";

/** Reads one pipeline file, without those that it extends. @param name the name of the file in messages */
type ReadDocument = (file: string, name: string) => Promise<Result<SourceDocument>>;

/** The most files in a chain of extends: enough for any experiment, and found before an endless chain fills memory. */
const MAX_FILES = 32;

interface Stack {
  readonly value: unknown;
  /** Lowest first. */
  readonly layers: readonly Layer[];
}

/**
 * Reads a pipeline file with all those that it extends, and lays the wanted profiles over it. A file is laid over those
 * that it extends, the last of these over the others, and profiles over all files.
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
  const { profiles, ...base } = asMap(value);
  const known = asMap(profiles);
  const names = Object.keys(known);
  const unknown = wanted.filter((name) => !names.includes(name)).map((name) => {
    const fix = names.length === 0 ? "remove --profile; the file has no profiles" : suggestName(name, names);
    return errorOf("override", `cannot use --profile: ${file} has no such profile`, fix, { got: showValue(name) });
  });
  if (unknown.length > 0) return refuse(unknown);
  const result = wanted.reduce<unknown>((below, name) => mergeValues(below, asMap(known[name])), base);
  const above = wanted.flatMap((name) =>
    layers.map(({ document }) => ({ document, prefix: ["profiles", name], label: `profile ${name}` }))
  );
  const document = layeredDocument(result, [...layers, ...above]);
  // The top file stands for the whole.
  const whole = layers.at(-1)!.document.whole ?? document.whole;
  return succeed({ ...document, whole, profiles });
}

function basesOf(document: SourceDocument): Result<{ written: string; at: DocumentPath }[]> {
  const written = asMap(document.value)["extends"];
  const parsed = pipelineFileSchema.shape.extends.safeParse(written);
  if (!parsed.success) {
    const details = { got: showValue(written), wanted: "a path of a pipeline file, or a list of them" };
    return refuseAt(document, ["extends"], "extends is not valid", "write extends: ./base.yaml", details);
  }
  const place = (index: number) => Array.isArray(written) ? ["extends", index] : ["extends"];
  return succeed([parsed.data ?? []].flat().map((each, index) => ({ written: each, at: place(index) })));
}

/** Adds to a problem in an extended file the place that made the file a part of this pipeline. */
function extendedBy(problem: Diagnostic, document: SourceDocument, at: DocumentPath): Diagnostic {
  const span = document.locate(at);
  if (span === undefined) return problem;
  if (problem.span === undefined) return { ...problem, span };
  return { ...problem, related: [...problem.related ?? [], { message: "extended here", span }] };
}

/** Returns the name of a file in messages, from how it is written in another file. */
export function shownName(from: string, written: string): string {
  return isAbsolute(written) ? written : join(dirname(from), written);
}

/**
 * Lays one document over another: maps are merged key by key, a null removes the key, and anything else takes the place
 * of what was there, lists included, since half of a list is rarely wanted. Among a stage's params a map with another
 * `name`, or another `uses`, is another thing, such as another sampler, and keeps nothing of the map below. Nulls in
 * profiles stay: they remove keys only when the profile is laid over the files.
 */
export function mergeValues(base: unknown, over: unknown, path: readonly string[] = []): unknown {
  if (!isRecord(over)) return over;
  const merged = new Map(isRecord(base) && !replacesDefinition(base, over, path) ? Object.entries(base) : []);
  for (const [key, value] of Object.entries(over)) {
    // A null for a key that was never there leaves nothing behind either.
    if (value === null && path[0] !== "profiles") merged.delete(key);
    else merged.set(key, mergeValues(merged.get(key), value, [...path, key]));
  }
  return Object.fromEntries(merged);
}

function replacesDefinition(base: Entries, over: Entries, path: readonly string[]): boolean {
  const inParams = path.indexOf("with") >= 2;
  const [before, after] = [base, over].map(({ name, uses }) =>
    [name, uses].map((one) => typeof one === "string" ? one : "")
  );
  const isNamed = after!.some((one) => one !== "") && (before!.some((one) => one !== "") || after![1] !== "");
  return inParams && isNamed && before!.some((one, i) => one !== after![i]);
}

/** Rebases texts that start with `./` or `../`: they are paths from the folder of the file that contains them. */
export function rebase(value: unknown, folder: string): unknown {
  if (folder === "") return value;
  return mapLeaves(value, (leaf) => {
    if (typeof leaf !== "string" || !/^\.{1,2}\//.test(leaf)) return leaf;
    const moved = relative(".", resolve(folder, leaf)).replaceAll("\\", "/");
    return moved.startsWith("../") ? moved : `./${moved}`;
  });
}

/** A part of a file that is laid over others. */
export interface Layer {
  readonly document: SourceDocument;
  /** The path at which the part begins in its file: `[]`, or `["profiles", name]`. */
  readonly prefix: DocumentPath;
  /** The path at which the part lies in the whole; by default the part is the whole. */
  readonly at?: DocumentPath;
  /** A note to show beside its place, such as `profile small`. */
  readonly label?: string;
}

/** Returns several layers as one document. A part is located in the topmost layer that has it. */
export function layeredDocument(value: unknown, layers: readonly Layer[]): SourceDocument {
  // There may be thousands of nested pipelines, but few around any one path.
  const ranked = layers.map((layer, rank) => ({ ...layer, rank }));
  const byPlace = Map.groupBy(ranked, ({ at = [] }) => at.join("\0"));
  const around = (path: DocumentPath) => {
    const places = [...path.keys(), path.length].map((length) => path.slice(0, length));
    return places.flatMap((one) => byPlace.get(one.join("\0")) ?? []).sort((a, b) => b.rank - a.rank);
  };
  const locate = (path: DocumentPath, target?: "key" | "value"): Span | undefined => {
    for (const layer of around(path)) {
      const inner = pathWithin(layer, path);
      const span = inner && layer.document.locate(inner, target);
      if (span !== undefined) return span;
    }
    return undefined;
  };
  const origin = (path: DocumentPath): string | undefined => {
    const found = around(path).flatMap((layer) => {
      const { document, label } = layer;
      const inner = pathWithin(layer, path);
      const place = inner && document.origin(inner);
      return place === undefined ? [] : [`${place}${label === undefined ? "" : ` (${label})`}`];
    });
    return found.length === 0 ? undefined : found.join(", overriding ");
  };
  return { value, locate, origin, whole: layers[0]!.document.whole };
}

/** Returns the path in the layer's own file; undefined if the path lies elsewhere. */
function pathWithin({ prefix, at = [] }: Layer, path: DocumentPath): DocumentPath | undefined {
  const inside = at.every((part, index) => String(part) === String(path[index]));
  return inside ? [...prefix, ...path.slice(at.length)] : undefined;
}
