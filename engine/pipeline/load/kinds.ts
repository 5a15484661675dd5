import type { TryDevice } from "../../../schemas/device.ts";
import type { BuiltinKind, DeviceFinding, Facts } from "../../contract/stage.ts";
import { type Described, describeFiles, type Fit, type Unfit } from "../../process/describe.ts";
import type { KindFacts, KindsOf } from "../compose/expand.ts";
import { asMap, findUnfit, isRecord, mapLeaves } from "../source/tree.ts";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { ParamIssue } from "../../../schemas/param_issue.ts";
import { rolesOf } from "../../../schemas/roles.ts";
import { builtinVersion, type Kind, type ModuleMap, type Stage, type UserCode } from "../../keys/stage.ts";
import { DEVICE_MODULE } from "../../process/module_lock.ts";
import { validate } from "../../diagnostic/validate.ts";
import { z } from "zod";
import type { Sort } from "../../../schemas/definitions.ts";
import { PORT_PATTERN, type StageEntry } from "../../../schemas/pipeline_file.ts";
import { definedOnly } from "../../../std/defined_only.ts";
import { suggestName } from "../../../std/did_you_mean.ts";
import { suggestPath } from "../../../std/near_path.ts";
import { indirectOrigin, type Origins } from "../../diagnostic/document.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import { compareCodeUnits } from "../../keys/encode.ts";
import { mergeValues } from "../compose/compose.ts";
import { commandKind, commandPorts } from "./commands.ts";

export type BuiltinKinds = Readonly<Record<string, BuiltinKind>>;

/** Returns the path of the file of user code that a pipeline names; undefined for the name of something built in. */
type FileOf = (uses: unknown) => string | undefined;

/** Finds all kinds that each stage may have, as far as known before the matrix is expanded; custom stages are asked. */
export async function findKinds(
  root: unknown,
  builtins: BuiltinKinds,
  fileOf: FileOf,
): Promise<KindsOf> {
  const stages = asMap(asMap(root)["stages"]);
  const uses = new Map(Object.entries(stages).map(([id, entry]) => [id, asMap(entry)["uses"]]));
  const written = [...new Set(uses.values())].filter((one) => typeof one === "string");
  const files = written.flatMap((one) => one.includes("${") ? [] : fileOf(one) ?? []);
  const described = await describeFiles(files.map((file) => ({ file, params: [] })));
  const made = new Map<string, Kind>();
  const builtinOf = (one: string) =>
    Object.hasOwn(builtins, one) ? made.getOrInsertComputed(one, () => fromBuiltin(builtins[one]!)) : undefined;
  const find = (one: string, stage: string): KindFacts | undefined => {
    const found = described.get(fileOf(one) ?? "");
    if (found !== undefined) return "error" in found ? undefined : found.stage;
    const builtin = builtinOf(one);
    return builtin?.runs === "command" ? { ...builtin, ...commandPorts(stages[stage]) } : builtin;
  };
  return (stage) => {
    const one = uses.get(stage);
    if (typeof one !== "string") return [];
    // The matrix may choose the kind.
    const axis = /^\$\{\s*matrix\.([A-Za-z0-9_]+)\s*\}$/.exec(one)?.[1];
    return axis === undefined
      ? [find(one, stage)]
      : axisTexts(root, stages[stage], axis).map((each) => find(each, stage));
  };
}

/** Returns the values of an axis that are texts, from the matrix of the stage or of the pipeline. */
function axisTexts(root: unknown, entry: unknown, axis: string): string[] {
  const [own, shared] = [entry, root].map((holder) => asMap(asMap(holder)["matrix"])[axis]);
  const values = own === undefined ? shared : own;
  const list = Array.isArray(values) ? values : Object.values(asMap(values));
  return list.filter((value) => typeof value === "string");
}

/** Returns the path of the file of user code that `uses` names; undefined for the name of something built in. */
export function userFile(uses: unknown, folder: string): string | undefined {
  const isPath = typeof uses === "string" && (/^\.{0,2}\//.test(uses) || /\.[mc]?[jt]s$/.test(uses));
  return isPath ? resolve(folder, uses) : undefined;
}

/** Returns a built-in kind as the engine sees it. */
export function fromBuiltin(builtin: BuiltinKind): Kind {
  const { kind, version, params, ...rest } = builtin;
  return {
    seeded: false,
    permissions: {},
    resources: {},
    ...rest,
    name: kind,
    version: `${kind}/${version}`,
    custom: false,
    userCode: [],
    roles: rolesOf(params),
    validate: (raw) => validate(params, raw),
  };
}

/** Finds the device of a custom stage, as built-in kinds do; the code for this is loaded only if a stage may run. */
async function findDevice(params: unknown, tryDevice: TryDevice): Promise<DeviceFinding> {
  const { findStageDevice } = await import(DEVICE_MODULE) as Record<"findStageDevice", typeof findDevice>;
  return await findStageDevice(params, tryDevice);
}

/** Checks params with the code of a file. They travel as JSON, which has no NaN; built-in schemas refuse NaN anyway. */
function fitOf(found: Described, raw: unknown): Fit {
  const issues: ParamIssue[] = [];
  mapLeaves(raw, (input, path) => {
    if (typeof input === "number" && !Number.isFinite(input)) {
      issues.push({ code: "invalid_type", path, message: "a finite number", input });
    }
    return input;
  });
  return issues.length > 0 ? { outcome: { ok: false, issues }, facts: {} } : found.fitOf(raw);
}

/**
 * Returns a custom stage as the engine sees it, or why the file does not define one.
 * @param written the file's path as the pipeline writes it
 */
export function fromFile(written: string, found: Described | Unfit): Kind | Unfit {
  if ("error" in found) return found;
  const { file, code: { digest, modules, files, map }, stage, sort } = found;
  if (stage === undefined) return { error: `it defines a ${sort}, not a stage`, fix: "name it in the params of one" };
  const { device, ...said } = stage;
  return {
    ...said,
    ...device && { device: findDevice },
    name: written,
    version: `code:${digest}`,
    custom: true,
    entry: pathToFileURL(file).href,
    userCode: [{ param: null, sort, file, uses: written, digest, modules, files }],
    map: () => map,
    validate: (raw) => {
      const fit = fitOf(found, raw);
      return "error" in fit ? { ok: false, issues: [] } : fit.outcome;
    },
  };
}

/** A place where a stage names a file of user code. */
interface Place {
  /** The param that names the file; undefined for the stage itself, `""` for all of `with`. */
  readonly param: string | undefined;
  readonly sort: Sort | "stage";
  readonly uses: unknown;
  /** The path of the file; undefined if `uses` names none. */
  readonly file: string | undefined;
  /** The params that the stage gives to the definition in the file. */
  readonly params: Readonly<Record<string, unknown>>;
}

/** Types of artifacts that are read with the code of the definitions that they were made with. */
const CARRYING_TYPES = ["autoencoder", "checkpoint", "schedule"];

const withArticle = (sort: string) => `${/^[ao]/.test(sort) ? "an" : "a"} ${sort}`;

/** Kinds that no longer exist, and what to do instead. */
const FORMER_KINDS: ReadonlyMap<string, string> = new Map([
  ["continue", "name the stage to go on with, at its new extent: train~rate=0.001@500"],
  ["report", "remove the stage: every run now writes this page, as outputs/<pipeline>/report.html"],
]);

/** Makes the kinds of stages, from built-in kinds and from files of user code. */
export class StageKinds {
  #known: ReadonlyMap<string, Described | Unfit> = new Map();
  /** Stages that are alike share one kind. */
  readonly #made = new Map<string, Kind>();

  constructor(
    private readonly builtins: BuiltinKinds,
    private readonly fileOf: FileOf,
    private readonly problems: Problems,
    private readonly origins: Origins,
    /** The path of the pipeline file. */
    private readonly file: string,
  ) {}

  /**
   * Finds the kind of every stage. A stage whose kind cannot be found maps to undefined, with a problem.
   * @param broken the parts of stages that are reported already
   */
  async resolve(
    entries: ReadonlyMap<string, StageEntry>,
    broken: ReadonlyMap<string, ReadonlySet<string>>,
  ): Promise<Map<string, Kind | undefined>> {
    // Each file is asked once about all params that the stages give to it.
    const places = entries.values().flatMap((entry) => this.#placesOf(entry));
    this.#known = await describeFiles([...places.flatMap(({ file, params }) => {
      return file === undefined ? [] : [{ file, params: [params] }];
    })]);
    return new Map([...entries].map(([id, entry]) => [id, this.#kindOf(id, entry, broken.get(id))]));
  }

  /** Returns the files that a stage names: a custom stage's own, or those of definitions in its params. */
  #placesOf({ uses, with: params }: Pick<StageEntry, "uses" | "with">): Place[] {
    const file = this.fileOf(uses);
    if (file !== undefined) return [{ param: undefined, sort: "stage", uses, file, params }];
    const { definitions = {} } = Object.hasOwn(this.builtins, uses) ? this.builtins[uses]! : {};
    return Object.entries(definitions).flatMap(([param, sort]) => {
      const value = param === "" ? params : params[param];
      if (!isRecord(value) || !Object.hasOwn(value, "uses")) return [];
      const { uses, ...rest } = value;
      return [{ param, sort, uses, file: this.fileOf(uses), params: rest }];
    });
  }

  /** Returns what is known of a file where it is named, or why it cannot be used there. */
  #look(place: Place, kind: string): Extract<Fit, { outcome: unknown }> & { readonly found: Described } | Unfit {
    const { uses, sort, param, file } = place;
    const found = file === undefined ? undefined : this.#known.get(file);
    if (found === undefined) {
      const own = `name one, such as ./${sort}.ts; what comes with noiseline is written without uses`;
      const fix = `${own}: see \`stages ${kind}${param && `.${param}`}\``;
      return { error: `${JSON.stringify(uses)} is not the file of ${withArticle(sort)}`, fix };
    }
    if ("code" in found && found.sort !== sort) {
      const place = param === "" ? kind : param ?? "uses";
      const error = `${uses} is a definition of ${withArticle(found.sort)}; ${place} takes ${withArticle(sort)}`;
      const own = `name a file that exports define${sort[0]!.toUpperCase()}${sort.slice(1)}({ … })`;
      const takers = this.#takersOf(found.sort);
      return { error, fix: takers === "" ? own : `${own}, or name this one as ${takers}` };
    }
    const fit = "code" in found ? fitOf(found, place.params) : found;
    if ("error" in fit) {
      return { error: `cannot use ${uses}: ${fit.error}`, fix: suggestPath(file!, String(uses)) ?? fit.fix };
    }
    const unfit = findUnfit(fit);
    if (unfit !== undefined) {
      return { error: `cannot use ${uses}: it gave an invalid answer: ${unfit.message}`, fix: unfit.fix };
    }
    return { ...fit, found: found as Described };
  }

  /** Says in words where a sort of definition can be named. */
  #takersOf(wanted: Described["sort"]): string {
    const places = Object.values(this.builtins).flatMap(({ kind, definitions = {} }) =>
      Object.entries(definitions).filter(([, sort]) => sort === wanted).map(([param]) => [kind, param, "uses"])
    );
    return places.map((parts) => parts.filter(Boolean).join(".")).join(" or ");
  }

  #kindOf(id: string, entry: StageEntry, broken?: ReadonlySet<string>): Kind | undefined {
    const { uses } = entry;
    const places = this.#placesOf(entry);
    const looked = places.flatMap((place) => {
      const found = this.#look(place, uses);
      if (!("error" in found)) return [{ place, ...found }];
      const isKnown = broken?.has("with") && String(place.uses).includes("${");
      if (!isKnown) this.#report(id, place.param, found.error, found.fix);
      return [];
    });
    if (places[0]?.sort === "stage") {
      const [own] = looked;
      return own && this.#made.getOrInsertComputed(own.found.file, () => fromFile(uses, own.found) as Kind);
    }
    const builtin = Object.hasOwn(this.builtins, uses) ? this.builtins[uses] : undefined;
    if (builtin === undefined) {
      const fix = FORMER_KINDS.get(uses) ?? suggestName(uses, Object.keys(this.builtins));
      return this.problems.add(["stages", id, "uses"], `unknown kind "${uses}"`, fix, { code: "unknown-kind" });
    }
    const kind = this.#made.getOrInsertComputed(uses, () => fromBuiltin(builtin));
    if (builtin.runs === "command") return this.#commandOf(id, entry, kind, builtin);
    if (places.length === 0) return kind;
    const own = looked.map(({ found: { file, code: { digest, modules, files } }, place }): UserCode => {
      const { param, sort, uses } = place;
      return { param: param!, sort: sort as Sort, file, uses: String(uses), digest, modules, files };
    });
    return this.#make({ ...kind, validate: (raw) => this.#validate(builtin, raw as StageEntry["with"]) }, own);
  }

  #commandOf(id: string, entry: StageEntry, kind: Kind, builtin: BuiltinKind): Kind {
    for (const port of Object.keys(entry.inputs).filter((one) => !PORT_PATTERN.test(one))) {
      const details = { code: "unknown-port", target: "key", wanted: "letters, digits and _" } as const;
      const at = ["stages", id, "inputs", port];
      this.problems.add(at, `"${port}" cannot be an input`, "give it another name", details);
    }
    // Stages that are alike share a kind, as those of other kinds do.
    const name = JSON.stringify([entry.uses, commandPorts(entry), entry.with["steps"] === undefined]);
    return this.#made.getOrInsertComputed(name, () => commandKind(kind, builtin, entry, this.file));
  }

  /**
   * Gives each stage the definitions that the checkpoints and schedules which it reads were made with, beside its own.
   * A custom stage gets none, as they would have its permissions; it only passes them on. An augmentation ends with the
   * training.
   * @param stages in dependency order
   */
  inherit(stages: readonly Stage[]): Stage[] {
    const given = new Map<string, readonly UserCode[]>();
    return stages.map((stage) => {
      const named = stage.kind.userCode.filter(({ sort }) => sort !== "stage");
      const read = Object.values(stage.inputs).flat().filter(({ type }) => CARRYING_TYPES.includes(type));
      const inherited = new Map<string, UserCode>();
      for (const code of read.flatMap((binding) => given.get(binding.stage) ?? [])) {
        inherited.getOrInsert(nameOf(code), { ...code, param: null });
      }
      named.forEach((code) => inherited.delete(nameOf(code)));
      // In the order of the key: their files' paths, and the order of the inputs, change nothing.
      const own = [...named, ...[...inherited.values()].sort((a, b) => compareCodeUnits(nameOf(a), nameOf(b)))];
      given.set(stage.id, own.filter(({ sort }) => sort !== "augmentation"));
      if (stage.kind.custom) return stage;
      this.#reportClash(stage, own);
      return own.length === named.length ? stage : { ...stage, kind: this.#make(stage.kind, own) };
    });
  }

  #make(kind: Kind, own: readonly UserCode[]): Kind {
    // Everything else about the code follows from its file; ports may depend on params.
    const ports = kind.portsFor && kind.outputs;
    const name = JSON.stringify([
      kind.name,
      kind.version,
      ports,
      own.map(({ param, uses, file }) => [param, uses, file]),
    ]);
    return this.#made.getOrInsertComputed(name, () => withCode(kind, own, own.map((one) => this.#mapOf(one))));
  }

  #mapOf({ file }: Pick<UserCode, "file">): ModuleMap {
    return (this.#known.get(file) as Described).code.map;
  }

  /** Reports names that clash: in one process a name means one module, and a package one version. */
  #reportClash({ entry }: Stage, own: readonly UserCode[]): void {
    const meanings = new Map<string, string>();
    for (const { uses, ...one } of own) {
      for (const [name, meaning] of meaningsIn(this.#mapOf(one))) {
        if (meanings.getOrInsert(name, meaning) === meaning) continue;
        const message = `${name} is ${meaning} for ${uses}, and ${meanings.get(name)} for other code of its process`;
        this.#report(entry, undefined, message, "let one deno.json and one deno.lock hold for both");
        return;
      }
    }
  }

  #report(id: string, param: string | undefined, message: string, fix: string): void {
    const at = param === undefined ? [] : ["with", ...param === "" ? [] : [param]];
    const path = ["stages", id, ...at, "uses"];
    const origin = indirectOrigin(this.origins, path);
    this.problems.add(path, message, fix, { code: "kind-broken", ...definedOnly({ origin }) });
  }

  #validate(builtin: BuiltinKind, raw: StageEntry["with"]): ReturnType<Kind["validate"]> {
    const issues: ParamIssue[] = [];
    const facts: Record<string, Facts> = {};
    const values: Record<string, Readonly<Record<string, unknown>>> = {};
    const places = this.#placesOf({ uses: builtin.kind, with: raw });
    for (const place of places) {
      const param = place.param!;
      const looked = this.#look(place, builtin.kind);
      if ("error" in looked) continue;
      const { outcome } = looked;
      if (outcome.ok) {
        // The pipeline file decides which definition this is, whatever the definition's code answers.
        values[param] = { ...outcome.value, uses: place.uses };
        facts[param] = looked.facts;
      } else {
        const at = param === "" ? [] : [param];
        issues.push(...outcome.issues.map((issue) => ({ ...issue, path: [...at, ...issue.path] })));
      }
    }
    const whole = places.some(({ param }) => param === "");
    // The kind's own schema checks the rest.
    const open = Object.fromEntries(places.map(({ param }) => [param!, z.unknown()]));
    const rest = whole ? { ok: true as const, value: {} } : validate(builtin.params.extend(open), raw);
    if (!rest.ok) issues.push(...rest.issues);
    if (!rest.ok || Object.keys(values).length < places.length) return { ok: false, issues };
    return { ok: true, value: whole ? values[""]! : { ...rest.value, ...values }, facts };
  }
}

/** Names an inherited definition in the key: a sign that no param begins with, its sort, and its code's digest. */
const nameOf = ({ sort, digest }: Pick<UserCode, "sort" | "digest">) => `+${sort}:${digest}`;

/**
 * Returns a built-in kind whose stages are given definitions in user code. The version contains all of these: whatever
 * is loaded into a process may change its results.
 * @param maps the meaning of module names for each definition
 */
export function withCode(kind: Kind, own: readonly UserCode[], maps: readonly ModuleMap[]): Kind {
  // User code always runs in a process of its own.
  const { runs: _, ...rest } = kind;
  const codes = own.map((one) => one.param === null ? nameOf(one) : `${one.param}:${one.digest}`);
  return {
    ...rest,
    userCode: own,
    version: [builtinVersion(kind.version), ...codes].join(" "),
    // If all params belong to a definition, none of them is a path of the kind's.
    roles: own.some(({ param }) => param === "") ? {} : kind.roles,
    map: () => maps.reduce((all, map) => mergeValues(all, map) as ModuleMap),
  };
}

/** Returns what module and package names in a map mean; a module's name comes with the module that uses it. */
function meaningsIn({ scopes, lock }: ModuleMap): [name: string, meaning: string][] {
  const named = Object.entries(scopes).flatMap(([module, names]) =>
    Object.entries(names).map(([name, url]): [string, string] => [`${name} in ${basename(module)}`, url])
  );
  return [...named, ...Object.entries(lock.specifiers ?? {})];
}
