import { dirname, relative, resolve } from "node:path";
import { pipelineFileSchema } from "../../../schemas/pipeline_file.ts";
import { definedOnly } from "../../../std/defined_only.ts";
import type { Result } from "../../diagnostic/diagnostic.ts";
import { suggestName } from "../../../std/did_you_mean.ts";
import type { DocumentPath, SourceDocument } from "../../diagnostic/document.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import { asMap, type Budget, type Entries, isRecord } from "../source/tree.ts";
import { type Layer, rebase, shownName } from "./compose.ts";
import { interpolate, type Interpolation, matrixAxesIn } from "./interpolate.ts";
import { INPUT, mapReferences, parseReference } from "./reference.ts";

/**
 * A pipeline in which the stages of nested pipelines, each called `outer/inner`, replace the stages that use them, with
 * what was found on the way.
 */
class Included {
  value: unknown;
  /** The files of the nested pipelines, as parts of the whole. */
  readonly layers: Layer[] = [];
  readonly interpolations: Interpolation[] = [];
  /** The nested stages, by the id of the stage that they replace. */
  readonly groups = new Map<string, readonly string[]>();
  /** Links between files that may not use each other: each is reported once, however often its file is used. */
  readonly reportedLinks = new Set<string>();
}

export interface IncludeOptions {
  /** The outermost file as the user named it; all paths in the whole pipeline start in its folder. */
  readonly file: string;
  readonly document: SourceDocument;
  /** Reads a pipeline file with those that it extends. */
  readonly read: (file: string) => Promise<Result<SourceDocument>>;
  /** True if a kind draws random numbers. */
  readonly isSeeded: (uses: string) => boolean;
  readonly budget: Budget;
  readonly problems: Problems;
}

/** The most files within each other; the names of more files' stages would not fit into an id. */
const MAX_FILES = 32;
const OWN_KEYS = ["uses", "inputs", "with", "matrix", "needs", "seed", "when"];
/** The root of paths of nested files' parts that are not stages, so that origins can name them. */
const OUTSIDE = "pipelines";

/** True if a stage is a pipeline. */
function isInner(entry: unknown): entry is Entries & { readonly uses: string } {
  return isRecord(entry) && typeof entry["uses"] === "string" && /\.ya?ml$/.test(entry["uses"]);
}

/** Replaces the stages that use pipelines by the stages of these. @param root the pipeline after interpolation */
export async function includePipelines(root: unknown, options: IncludeOptions): Promise<Included> {
  const found = new Included();
  found.value = root;
  if (!isRecord(root) || !isRecord(root["stages"]) || !Object.values(root["stages"]).some(isInner)) return found;
  const scope = new Scope(options, found, "", [resolve(options.file)]);
  found.value = { ...root, stages: await scope.include(root["stages"], options.document, root["seed"]) };
  return found;
}

/** The resolved content of a stage that is a pipeline. */
interface Inner extends Readonly<Record<"matrix" | "seed", unknown>> {
  readonly stages: Entries;
}

/** The stages of one file. Ids and paths in here are those of the whole pipeline. */
class Scope {
  readonly #home: string;
  /** The references behind the outputs of each nested pipeline, by the id of its stage. */
  readonly #outputs = new Map<string, Readonly<Record<string, string>>>();

  constructor(
    private readonly options: IncludeOptions,
    private readonly found: Included,
    /** `outer/` for the stages of a nested pipeline, else empty. */
    private readonly prefix: string,
    private readonly chain: readonly string[],
  ) {
    this.#home = dirname(resolve(options.file));
  }

  /** @param stages by their ids in the file */
  async include(stages: Entries, document: SourceDocument, seed: unknown): Promise<Entries> {
    const inners = new Map<string, Inner | undefined>();
    for (const [name, entry] of Object.entries(stages)) {
      if (isInner(entry)) inners.set(name, await this.#read(this.prefix + name, entry, { name, document, seed }));
    }
    // The stages behind the outputs of a nested pipeline are known only now, wherever in the file it is used.
    return Object.fromEntries(
      Object.entries(stages).flatMap(([name, entry]): [string, unknown][] => {
        const id = this.prefix + name;
        const inner = inners.get(name);
        if (!inners.has(name)) return [[id, this.#toWholeIds(id, entry)]];
        return inner === undefined ? [] : this.#fitAll(id, this.#toWholeIds(id, entry) as Entries, inner);
      }),
    );
  }

  async #read(
    id: string,
    entry: Entries & { readonly uses: string },
    { name, document, seed }: { readonly name: string; readonly document: SourceDocument; readonly seed: unknown },
  ): Promise<Inner | undefined> {
    const { problems } = this.options;
    const at = ["stages", id];
    const { uses } = entry;
    this.#outputs.set(id, {});
    this.found.groups.set(id, []);
    const say = (key: string) => `"${key}" has no meaning for a pipeline that is a stage`;
    problems.addUnknown(at, Object.keys(entry), { known: OWN_KEYS, say });
    // A pipeline that is too large is reported once, and nothing more is read.
    if (this.options.budget.spent) return undefined;
    const path = resolve(this.#home, uses);
    const again = this.chain.indexOf(path);
    if (again >= 0 || this.chain.length >= MAX_FILES) {
      const link = `${this.chain.at(-1)} -> ${path}`;
      if (this.found.reportedLinks.has(link)) return undefined;
      this.found.reportedLinks.add(link);
      const files = [...this.chain.slice(again), path].map((one) => relative(this.#home, one)).join(" -> ");
      return again >= 0
        ? problems.add([...at, "uses"], `pipelines use each other: ${files}`, "remove one of these")
        : problems.add([...at, "uses"], `more than ${MAX_FILES} pipelines are nested`, "nest less");
    }
    const read = await this.options.read(shownName(this.options.file, uses));
    if (!read.ok) {
      const span = document.locate(["stages", name, "uses"]);
      const related = span === undefined ? [] : [{ message: "used here", span }];
      problems.addAll(read.diagnostics.map((one) => ({ ...one, related: [...one.related ?? [], ...related] })));
      return undefined;
    }
    const inner = rebase(read.value.value, relative(this.#home, dirname(path)));
    if (!isRecord(inner) || !isRecord(inner["stages"])) {
      return problems.add([...at, "uses"], `${uses} has no stages`, "name a pipeline file");
    }
    const refused = this.options.budget.take(read.value.value, Object.keys(inner["stages"]).length);
    if (refused !== undefined) {
      return problems.add([...at, "uses"], refused, "use fewer or smaller pipelines as stages");
    }
    problems.addUnknown([OUTSIDE, id], Object.keys(inner), {
      known: Object.keys(pipelineFileSchema.shape),
      say: (key) => `unknown key "${key}" in ${uses}`,
    });
    const given = this.#checkGiven(at, entry, inner);
    const ownSeed = entry["seed"] ?? inner["seed"];
    const filled = interpolate(
      { ...inner, vars: { ...asMap(inner["vars"]), ...given }, seed: ownSeed ?? seed },
      problems.within((path) => moved(path, id) ?? at),
      this.options.budget,
    );
    const value = filled.value as Entries;
    // These layers let messages and origins find places in the nested file.
    this.found.layers.push({ document: read.value, prefix: [], at: [OUTSIDE, id] });
    for (const stage of Object.keys(inner["stages"])) {
      this.found.layers.push({ document: read.value, prefix: ["stages", stage], at: ["stages", `${id}/${stage}`] });
    }
    for (const one of filled.interpolations) this.found.interpolations.push(...movedInterpolation(one, id, given));

    const scope = new Scope(this.options, this.found, `${id}/`, [...this.chain, path]);
    const stages = await scope.include(value["stages"] as Entries, read.value, ownSeed ?? seed);
    this.found.groups.set(id, Object.keys(stages));
    const outputs = Object.entries(asMap(value["outputs"])).flatMap(([port, text]) =>
      scope.#toWholeReference(text, at).map((one) => [port, String(one)])
    );
    this.#outputs.set(id, Object.fromEntries(outputs));
    return { stages, matrix: value["matrix"], seed: ownSeed };
  }

  /** Returns the values for the nested pipeline's vars, and checks that all its inputs are given. */
  #checkGiven(at: DocumentPath, entry: Entries, inner: Entries): Entries {
    const [vars, given] = [asMap(inner["vars"]), asMap(entry["with"])];
    const { problems } = this.options;
    const say = (key: string) => `${entry["uses"]} has no var "${key}"`;
    problems.addUnknown([...at, "with"], Object.keys(given), { known: Object.keys(vars), say });
    const [wanted, bound] = [asMap(inner["inputs"]), asMap(entry["inputs"])];
    problems.addUnknown([...at, "inputs"], Object.keys(bound), {
      known: Object.keys(wanted),
      say: (key) => `${entry["uses"]} has no input "${key}"`,
    });
    for (const key of Object.keys(wanted).filter((one) => !Object.hasOwn(bound, one))) {
      problems.add(at, `${entry["uses"]} needs input "${key}"`, `add under inputs: ${key}: <stage>`, {
        wanted: String(wanted[key]),
      });
    }
    return given;
  }

  #fitAll(id: string, entry: Entries, inner: Inner): [string, unknown][] {
    const stages = Object.entries(inner.stages);
    const own = entry["matrix"];
    const named = new Set(stages.flatMap(([, one]) => [...matrixAxesIn(one)]));
    if (isRecord(own) && !Object.keys(own).some((axis) => named.has(axis))) {
      const fix = "give one of its vars a value such as ${matrix." + (Object.keys(own)[0] ?? "axis") + "} under with";
      this.options.problems.add(["stages", id, "matrix"], "no stage of the pipeline differs from child to child", fix);
    }
    return stages.map(([child, one]) => [child, isRecord(one) ? this.#fit(child, one, entry, inner) : one]);
  }

  /** Returns a nested stage as a stage of this file, with outside inputs and what this file says of its pipeline. */
  #fit(child: string, one: Entries, outer: Entries, inner: Inner): Entries {
    const given = asMap(outer["inputs"]);
    const filled = mapReferences(one, ({ text, port }) => {
      const name = typeof text === "string" && port !== undefined ? INPUT.exec(text)?.[1] : undefined;
      if (name === undefined) return [text];
      if (Object.hasOwn(given, name)) return [given[name]].flat();
      const message = `"${text}": the pipeline is not given an input "${name}"`;
      const fix = suggestName(name, Object.keys(given));
      return this.options.problems.add(["stages", child, "inputs", port!], message, fix) ?? [];
    });
    const axes = matrixAxesIn(one);
    const matrices = [inner.matrix, outer["matrix"]].filter((matrix): matrix is Entries =>
      isRecord(matrix) && Object.keys(matrix).some((axis) => axes.has(axis))
    );
    const draws = typeof one["uses"] === "string" && this.options.isSeeded(one["uses"]);
    const needs = [one["needs"] ?? [], outer["needs"] ?? []].flat();
    const when = [one["when"], outer["when"]].filter((each) => each !== undefined);
    return {
      ...filled,
      ...definedOnly({
        matrix: matrices.length === 0 ? undefined : Object.assign({}, ...matrices, one["matrix"]),
        needs: needs.length === 0 ? undefined : needs,
        when: when.length > 1 ? { all: when } : when[0],
        seed: draws ? one["seed"] ?? inner.seed : undefined,
      }),
    };
  }

  /** Rewrites this file's references to ids of the whole, and to the stages behind outputs of nested pipelines. */
  #toWholeIds(id: string, entry: unknown): unknown {
    if (!isRecord(entry)) return entry;
    return mapReferences(entry, ({ text, port }) => {
      if (port !== undefined) return this.#toWholeReference(text, ["stages", id, "inputs", port]);
      return typeof text === "string" ? this.found.groups.get(this.prefix + text) ?? [this.prefix + text] : [text];
    });
  }

  #toWholeReference(text: unknown, at: DocumentPath): unknown[] {
    // The inputs of a nested pipeline are filled in by the file that uses it.
    if (typeof text !== "string" || (this.prefix !== "" && INPUT.test(text))) return [text];
    const full = this.prefix + text;
    const reference = parseReference(full);
    const outputs = reference && this.#outputs.get(reference.stage);
    if (reference === undefined || outputs === undefined) return [full];
    const names = Object.keys(outputs);
    const name = reference.port ?? (names.length === 1 ? names[0] : undefined);
    if (name === undefined || !Object.hasOwn(outputs, name)) {
      const [message, fix] = names.length === 0
        ? [`"${text}": the pipeline has no outputs`, "name them in its file: outputs: { checkpoint: train }"]
        : name === undefined
        ? [`"${text}" could mean several outputs`, `write ${names.map((one) => `${text}.${one}`).join(" or ")}`]
        : [`"${text}": the pipeline has no output "${name}"`, suggestName(name, names)];
      return this.options.problems.add(at, message, fix) ?? [];
    }
    // The values and extents that a reader names are those of the stage behind the output.
    const said = full.slice(reference.stage.length).replace(PORT, "");
    const behind = outputs[name]!;
    return [behind.replace(PORT, "") + said + (PORT.exec(behind)?.[0] ?? "")];
  }
}

/** Matches the port at the end of a reference. */
const PORT = /\.[A-Za-z][A-Za-z0-9_]*$/;

/** Returns the path in the whole of a path in a nested file; undefined for parts that are not stages. */
function moved(path: DocumentPath, id: string): DocumentPath | undefined {
  return path[0] === "stages" && path.length > 1 ? ["stages", `${id}/${path[1]}`, ...path.slice(2)] : undefined;
}

function movedInterpolation(one: Interpolation, id: string, given: Entries): Interpolation[] {
  const path = moved(one.path, id);
  if (path === undefined) return [];
  const [root, name] = one.from;
  const outer = root === "vars" && Object.hasOwn(given, String(name));
  return [{ ...one, path, from: outer ? ["stages", id, "with", ...one.from.slice(1)] : [OUTSIDE, id, ...one.from] }];
}
