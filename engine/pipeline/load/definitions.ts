import { z } from "zod";
import type { BuiltinKind, Facts } from "../../../contract/stage.ts";
import type { Sort } from "../../../schemas/definitions.ts";
import type { ParamIssue } from "../../../schemas/param_issue.ts";
import type { StageEntry } from "../../../schemas/pipeline_file.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import { builtinVersion, type Kind, type ModuleMap, type OwnCode, type Stage } from "../../keys/stage.ts";
import type { DefinitionOutcome, Fit } from "../../process/describe_definitions.ts";
import { isRecord } from "../source/tree.ts";
import { isCustom, validateBuiltin } from "./builtin.ts";

/** Where a stage names a definition of the user's own. */
interface Place {
  /** `""` for all of `with`. */
  readonly param: string;
  readonly sort: Sort;
  readonly uses: unknown;
  /** What it gives to the definition. */
  readonly params: Readonly<Record<string, unknown>>;
}

/** The definitions that the params of a stage name, as they are written. */
export function placesOf(kind: Pick<BuiltinKind, "definitions"> | undefined, params: unknown): Place[] {
  return Object.entries(kind?.definitions ?? {}).flatMap(([param, sort]) => {
    const value = param === "" || !isRecord(params) ? params : params[param];
    if (!isRecord(value) || !Object.hasOwn(value, "uses")) return [];
    const { uses, ...rest } = value;
    return [{ param, sort, uses, params: rest }];
  });
}

/** What was made with definitions of the user's own is read with their code. */
const CARRIERS = ["checkpoint", "schedule"];

const aSort = (sort: Sort) => `${sort === "objective" ? "an" : "a"} ${sort}`;

function nameOf(file: string, { sort, params }: Place): string {
  return JSON.stringify([file, sort, params]);
}

/** Makes kinds of those that come with the toolkit and of the definitions that stages name. */
export class OwnKinds {
  /** What is known of the params of a place; no entry where that is reported. */
  readonly #fits = new Map<string, Exclude<Fit, { error: string }>>();
  readonly #code = new Map<string, Extract<DefinitionOutcome, { code: unknown }>>();
  readonly #made = new Map<string, Kind>();

  constructor(private readonly resolveFile: (written: string) => string, private readonly problems: Problems) {}

  /** Ask each file once about all that the stages give to it, and report what is wrong with it. */
  async describe(
    entries: ReadonlyMap<string, StageEntry>,
    builtins: Readonly<Record<string, BuiltinKind>>,
  ): Promise<void> {
    const asked = [...entries].flatMap(([id, { uses, with: params }]) => {
      const kind = Object.hasOwn(builtins, uses) ? builtins[uses] : undefined;
      return placesOf(kind, params).flatMap((place) => {
        const file = this.#fileOf(place);
        if (file !== undefined) return [{ id, place, file }];
        // What could not be resolved is reported as that.
        if (typeof place.uses === "string" && place.uses.includes("${")) return [];
        const message = `${JSON.stringify(place.uses)} is not the file of ${aSort(place.sort)}`;
        const fix = `name one, such as ./${place.sort}.ts; what comes with noiseline is written without uses: ` +
          `see \`stages ${uses}${place.param && `.${place.param}`}\``;
        return this.#report(id, place, message, fix);
      });
    });
    if (asked.length === 0) return;
    const byFile = [...Map.groupBy(asked, ({ file }) => file)];
    const { describeDefinitions } = await import("../../process/describe_definitions.ts");
    const outcomes = await describeDefinitions(
      byFile.map(([file, all]) => ({ file, params: all.map(({ place }) => place.params) })),
    );
    for (const [file, all] of byFile) {
      const outcome = outcomes.get(file)!;
      if ("code" in outcome) this.#code.set(file, outcome);
      for (const [index, { id, place }] of all.entries()) {
        if ("error" in outcome) this.#report(id, place, `cannot use ${place.uses}: ${outcome.error}`, outcome.fix);
        else if (outcome.sort !== place.sort) {
          const takes = `${place.param || entries.get(id)!.uses} takes ${aSort(place.sort)}`;
          const fix = `name a file that exports define${place.sort[0]!.toUpperCase()}${place.sort.slice(1)}({ … })`;
          this.#report(id, place, `${place.uses} is a definition of ${aSort(outcome.sort)}; ${takes}`, fix);
        } else {
          const fit = outcome.fits[index]!;
          if ("error" in fit) this.#report(id, place, `cannot use ${place.uses}: ${fit.error}`, fit.fix);
          else this.#fits.set(nameOf(file, place), fit);
        }
      }
    }
  }

  /** The kind of a stage with such params. */
  kindOf(kind: Kind, builtin: BuiltinKind, params: unknown): Kind {
    const places = placesOf(builtin, params);
    if (places.length === 0) return kind;
    const own = places.flatMap((place): OwnCode[] => {
      const file = this.#fileOf(place);
      const found = file === undefined ? undefined : this.#code.get(file);
      if (found === undefined) return [];
      const { code: { digest, modules }, sort } = found;
      return [{ param: place.param, sort, file: file!, uses: place.uses as string, digest, modules }];
    });
    return this.#make({ ...kind, validate: (raw) => this.#validate(builtin, raw) }, own);
  }

  /**
   * Give each stage the definitions that the checkpoints and schedules which it reads were made with, beside its own.
   * @param stages in dependency order
   */
  inherit(stages: readonly Stage[]): Stage[] {
    const given = new Map<string, readonly OwnCode[]>();
    return stages.map((stage) => {
      const { own: named = [] } = stage.kind;
      const own = [...named];
      const read = Object.values(stage.inputs).flat().filter(({ type }) => CARRIERS.includes(type));
      for (const code of read.flatMap((binding) => given.get(binding.stage) ?? [])) {
        if (own.some(({ uses, digest }) => uses === code.uses && digest === code.digest)) continue;
        own.push({ ...code, param: null });
      }
      given.set(stage.id, own);
      this.#reportClash(stage, own);
      return own.length === named.length ? stage : { ...stage, kind: this.#make(stage.kind, own) };
    });
  }

  #make(kind: Kind, own: readonly OwnCode[]): Kind {
    const name = JSON.stringify([kind.name, kind.version, own]);
    const maps = own.map(({ file }) => this.#code.get(file)!.code.map);
    return this.#made.getOrInsertComputed(name, () => withCode(kind, own, maps));
  }

  /** In one process a name of a package means one version. */
  #reportClash({ entry }: Stage, own: readonly OwnCode[]): void {
    const versions = new Map<string, string>();
    for (const { file, uses } of own) {
      for (const [name, version] of Object.entries(this.#code.get(file)!.code.map.lock.specifiers ?? {})) {
        if (versions.getOrInsert(name, version) === version) continue;
        const message = `${name} is ${version} for ${uses}, and ${versions.get(name)} for another definition`;
        this.problems.add(["stages", entry, "uses"], message, "let one deno.lock hold for both", {
          code: "kind-broken",
        });
        return;
      }
    }
  }

  #fileOf({ uses }: Place): string | undefined {
    return typeof uses === "string" && !uses.includes("${") && isCustom(uses) ? this.resolveFile(uses) : undefined;
  }

  #report(id: string, { param }: Place, message: string, fix: string): [] {
    this.problems.add(["stages", id, "with", ...param === "" ? [] : [param], "uses"], message, fix, {
      code: "kind-broken",
    });
    return [];
  }

  #validate(builtin: BuiltinKind, raw: unknown): ReturnType<Kind["validate"]> {
    const issues: ParamIssue[] = [];
    const facts: Record<string, Facts> = {};
    const values: Record<string, Readonly<Record<string, unknown>>> = {};
    const places = placesOf(builtin, raw);
    for (const place of places) {
      const { param, uses } = place;
      const file = this.#fileOf(place);
      const fit = file === undefined ? undefined : this.#fits.get(nameOf(file, place));
      if (fit?.outcome.ok === true) {
        values[param] = { uses, ...fit.outcome.params };
        facts[param] = fit.facts;
      } else if (fit?.outcome.ok === false) {
        const at = param === "" ? [] : [param];
        issues.push(...fit.outcome.issues.map((issue) => ({ ...issue, path: [...at, ...issue.path] })));
      }
    }
    const whole = places.some(({ param }) => param === "");
    // The kind's own schema looks at the rest.
    const open = Object.fromEntries(places.map(({ param }) => [param, z.unknown()]));
    const rest = whole ? { ok: true as const, params: {} } : validateBuiltin(builtin, raw, builtin.params.extend(open));
    if (!rest.ok) issues.push(...rest.issues);
    if (!rest.ok || Object.keys(values).length < places.length) return { ok: false, issues };
    return { ok: true, params: whole ? values[""]! : { ...rest.params, ...values }, facts };
  }
}

/** A kind whose stages are given definitions of the user's own. @param maps what names of modules stand for in each */
export function withCode(kind: Kind, own: readonly OwnCode[], maps: readonly ModuleMap[]): Kind {
  // What runs code of the user's own has a process of its own.
  const { runs: _, ...rest } = kind;
  const named = own.filter(({ param }) => param !== null);
  const version = kind.custom ? kind.version : builtinVersion(kind.version);
  const all = [...kind.custom ? [kind.map!()] : [], ...maps];
  return {
    ...rest,
    own,
    version: [version, ...named.map(({ param, digest }) => `${param}:${digest}`)].join(" "),
    // Of params that are a definition's none is a path of the kind's.
    roles: named.some(({ param }) => param === "") ? {} : kind.roles,
    modules: { ...kind.custom ? kind.modules : {}, ...Object.assign({}, ...named.map(modulesOf)) },
    map: () => all.reduce(mergeMaps),
  };
}

/** Modules of a definition, by places from the folder of the pipeline. */
function modulesOf({ uses, modules }: OwnCode): Record<string, string> {
  const folder = uses.slice(0, uses.lastIndexOf("/") + 1).replace(/^\.\//, "");
  const isFile = (digest: string) => /^[0-9a-f]{64}$/.test(digest);
  return Object.fromEntries(
    Object.entries(modules).map(([name, digest]) => [isFile(digest) ? `${folder}${name}` : name, digest]),
  );
}

function mergeMaps(a: ModuleMap, b: ModuleMap): ModuleMap {
  return {
    imports: a.imports,
    scopes: { ...a.scopes, ...b.scopes },
    lock: {
      ...a.lock,
      specifiers: { ...a.lock.specifiers, ...b.lock.specifiers },
      npm: { ...a.lock.npm, ...b.lock.npm },
    },
  };
}
