import { dirname, join, relative } from "node:path";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import { shellWord } from "../diagnostic/format.ts";
import { externalPaths } from "../keys/externals.ts";
import { encode } from "../keys/encode.ts";
import { isUnknownProgram } from "../keys/program.ts";
import type { Stage, UserCode } from "../keys/stage.ts";
import type { StageDevice, TryDevice } from "../../schemas/device.ts";
import { diagnosticAt, type Origins } from "../diagnostic/document.ts";
import { allowWritesBelow, isWithin } from "../store/write_roots.ts";
import { readTextIfThere, realPath, sha256Of, statIfThere } from "../store/reading.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { beyondProject, projectOf } from "../pipeline/project.ts";
import { programHere } from "../process/python.ts";
import type { FoundCommand } from "../../schemas/command.ts";
import { type GrantsFile, grantsFileSchema } from "../../schemas/permissions.ts";
import { makeFolder, writeAtomically } from "../store/files.ts";
import { ignoreIoErrors, unlessReadable } from "../store/io_errors.ts";
import { parseJson } from "../store/records.ts";
import { configFolder } from "../../std/user_folder.ts";
import shipped from "./shipped.json" with { type: "json" };

/**
 * Rights that one user file requests: the file of a custom stage or definition, beyond its inputs and outputs, or the
 * file of a cluster, which says what jobs run.
 */
export interface RightsRequest {
  /** The first stage that uses the file; for a cluster's file, a stand-in with the name of the file. */
  readonly stage: Pick<Stage, "entry">;
  /** The names of all stages that use the file. */
  readonly names?: readonly string[];
  /** The place that errors show, if it is not the stage's place in the pipeline. */
  readonly at?: { readonly origins: Origins; readonly path: readonly string[] };
  /** Absolute path of the file. */
  readonly file: string;
  /** The path as the pipeline writes it. */
  readonly uses: string;
  /** The rights, as `--grant` writes them, sorted. */
  readonly rights: readonly string[];
}

/**
 * Yields where a file, or everything in a folder, really is: a link may lead anywhere, and a stage reads through it.
 */
function* realPlaces(path: string, seen: Set<string>): Generator<string> {
  const real = realPath(path);
  if (seen.has(real)) return;
  seen.add(real);
  yield real;
  const entries = unlessReadable(() => [...Deno.readDirSync(real)], []);
  for (const { name, isFile } of entries) if (!isFile) yield* realPlaces(join(real, name), seen);
}

/** The content of the code that ships with noiseline. It counts as the toolkit's own, wherever it lies. */
const SHIPPED: ReadonlySet<string> = new Set(Object.values(shipped));

/** True for code that ships with noiseline, to the byte. */
export function isShipped(code: UserCode): boolean {
  return SHIPPED.has(contentOf(code));
}

/** Returns a digest of code to the byte: a file, the modules that it loads, and what their names mean. */
export function contentOf({ file, digest, files }: Pick<UserCode, "file" | "digest" | "files">): string {
  const placed = files.map(([path, content]) => `${relative(dirname(file), path)} ${content}`).sort();
  return sha256Of(encode([digest, placed]));
}

/**
 * Returns the rights that each user file in a stage's process asks for: everything that the process may do, since
 * nothing separates code within a process, and modules outside the project. Built-in
 * code and code that ships with noiseline ask for nothing.
 *
 * @param folder the pipeline's folder; what a stage reads below it needs no right
 * @param native true if the device that the stage computes on runs native code
 */
export function rightsOf(stage: Pick<Stage, "kind" | "params" | "declared">, folder: string, native: boolean) {
  const { kind } = stage;
  if (kind.command !== undefined) return [{ ...kind.command, rights: rightsOfCommand(stage, folder) }];
  if (kind.userCode.length === 0) return [];
  const { net = [], env = [], native: packages = [] } = kind.permissions;
  const home = realPath(folder);
  const seen = new Set<string>();
  const places = Object.values(externalPaths(stage, folder)).flatMap((path) => [...realPlaces(path, seen)]);
  const outside = places.filter((place) => !isWithin(place, home));
  const ofProcess = [
    ...net.map((host) => `net=${host}`),
    ...env.map((name) => `env=${name}`),
    ...(packages.length > 0 || native ? ["native"] : []),
  ];
  return kind.userCode.filter((code) => !isShipped(code)).map(({ file, uses, files }) => {
    // Deno reads JSON and code without a permission, and a pipeline may name files that its user does not know.
    const read = beyondProject(files.map(([path]) => path), projectOf(folder));
    const rights = [...ofProcess, ...[...wholePlaces(outside), ...read].map((path) => `read=${path}`)];
    return { file, uses, rights: [...new Set(rights)].sort() };
  });
}

/** Returns places without those that lie in others: a folder covers everything in it. */
function wholePlaces(places: readonly string[]): string[] {
  const whole: string[] = [];
  // A folder comes right before what is in it.
  for (const place of [...new Set(places)].sort((a, b) => a.replaceAll("/", "\0") < b.replaceAll("/", "\0") ? -1 : 1)) {
    if (!isWithin(place, whole.at(-1) ?? place + "/")) whole.push(place);
  }
  return whole;
}

/** Returns the rights that a program of the user's asks for: its start, the network, and files of other projects. */
function rightsOfCommand(stage: Pick<Stage, "kind" | "params" | "declared">, folder: string): string[] {
  const { program, net, sees } = stage.params as FoundCommand;
  const seen = new Set<string>();
  const places = [...Object.values(externalPaths(stage, folder)), ...sees].flatMap((path) => [
    // A link in a folder of data may lead anywhere.
    ...sees.includes(path) ? [path] : realPlaces(path, seen),
  ]);
  const outside = wholePlaces(beyondProject(places, projectOf(folder)));
  // Ranks on several nodes meet on the network. What a file asks for is the same everywhere.
  const meets = (stage.declared.nodes ?? 1) > 1;
  return [...net || meets ? ["net"] : [], ...outside.map((path) => `read=${path}`), `run=${program}`];
}

/**
 * Returns a stage with what is known of its device before the stage is planned, or when another machine will find the
 * device. If this machine has no such device, the other may well run native code.
 */
export async function withDeviceHere(
  stage: Stage,
  tryDevice: TryDevice,
): Promise<{ readonly stage: Stage; readonly device?: Pick<StageDevice, "native"> | undefined }> {
  const { kind: { userCode, device }, params } = stage;
  const found = userCode.length > 0 ? await device?.(params, tryDevice) : undefined;
  return { stage, device: found && ("device" in found ? found.device : { native: true }) };
}

/** Returns the rights that user code in some stages asks for, by file. */
export function requestsOf(
  stages: Iterable<{ readonly stage: Stage; readonly device?: Pick<StageDevice, "native"> | undefined }>,
  folder: string,
): RightsRequest[] {
  const requests = new Map<string, RightsRequest>();
  for (const { stage, device } of stages) {
    for (const { file: path, uses, rights } of rightsOf(stage, folder, device?.native ?? false)) {
      if (rights.length === 0) continue;
      const file = realPath(path);
      const before = requests.get(file);
      const all = [...new Set([...before?.rights ?? [], ...rights])].sort();
      const names = [...new Set([...before?.names ?? [], granteeOf(stage)])];
      requests.set(file, { stage, uses, ...before, names, file, rights: all });
    }
  }
  return [...requests.values()];
}

/** Asks the programs that the user has granted for the versions that keys need. @returns the pipeline with these */
export async function learnVersions(pipeline: Pipeline, grants: Grants): Promise<Pipeline> {
  const { folder, stages } = pipeline;
  const mayAsk = (stage: Stage) => isUnknownProgram(stage) && grants.open(requestsOf([{ stage }], folder)).length === 0;
  const asked = [...stages].filter(([, stage]) => mayAsk(stage));
  const learned = await Promise.all(asked.map(async ([id, stage]) => {
    const { program, interpreter: planned } = stage.params as FoundCommand;
    const interpreter = (await programHere(program, planned, folder))?.version ?? planned;
    return [id, { ...stage, params: { ...stage.params, interpreter } }] as const;
  }));
  return learned.length === 0 ? pipeline : { ...pipeline, stages: new Map([...stages, ...learned]) };
}

/**
 * Returns the name by which rights are granted: children of a matrix mostly share their code, so they share one name.
 */
export function granteeOf({ entry }: Pick<Stage, "entry">): string {
  return entry.split("~")[0]!;
}

/** Returns the `--grant` flags that allow stages all the rights they request: one flag for each name. */
export function grantFlags(requests: readonly Pick<RightsRequest, "stage" | "rights">[]): string {
  return Array.from(Map.groupBy(requests, ({ stage }) => granteeOf(stage)), ([name, asked]) => {
    const rights = new Set(asked.flatMap((request) => request.rights));
    return `--grant ${shellWord(`${name}:${[...rights].sort().join(",")}`)}`;
  }).join(" ");
}

/** Returns the error about rights that nobody has granted: one for all of them, since one answer settles it. */
export function notGranted(requests: readonly RightsRequest[], origins: Origins): Diagnostic {
  const files = requests.map(({ uses }) => uses).join(", ");
  const message = `${files} ${requests.length === 1 ? "asks" : "ask"} for rights that you have not granted`;
  // The file of a cluster has no code.
  const what = requests.every(({ file }) => /\.ya?ml$/.test(file)) ? files : `the code of ${files}`;
  const fix = `look at ${what}; if you trust it: ${grantFlags(requests)}`;
  const rights = new Set(requests.flatMap((request) => request.rights));
  const details = { code: "not-granted", got: [...rights].sort().join(", ") } as const;
  const { stage: { entry }, at = { origins, path: ["stages", entry, "uses"] } } = requests[0]!;
  return diagnosticAt(at.origins, at.path, message, fix, details);
}

/**
 * Rights that the user has granted to files of one project: (project, file, rights). An edited stage needs no new
 * grant, since whoever edits the code runs it; a stage that requests more rights does.
 */
export class Grants {
  readonly #project: string;
  readonly #held = new Map<string, Set<string>>();
  /** Files with granted rights that are not saved yet. */
  readonly #added = new Set<string>();
  /** Problems of the grants file; a file with problems grants nothing and is left as it is. */
  readonly problems: readonly Diagnostic[];

  /** @param folder the pipeline's folder, wherever its store is */
  constructor(folder: string, private readonly path: string = join(configFolder(), "grants.json")) {
    this.#project = projectOf(folder);
    const read = this.#read();
    const message = `${path} is not a valid list of grants: it grants nothing, and new grants are not saved`;
    const fix = "repair or remove it";
    this.problems = read === undefined ? [{ severity: "warning", code: "file-unreadable", message, fix }] : [];
    for (const { project, stage, rights } of read ?? []) {
      if (project === this.#project) this.#hold(stage, rights);
    }
  }

  /** Returns the rights of some requests that are not granted. */
  open(requests: readonly RightsRequest[]): RightsRequest[] {
    return requests.flatMap((request) => {
      const held = this.#held.get(this.#nameOf(request.file));
      const rights = request.rights.filter((right) => held?.has(right) !== true);
      return rights.length === 0 ? [] : [{ ...request, rights }];
    });
  }

  /** Grants rights for the lifetime of this object. */
  add({ file, rights }: Pick<RightsRequest, "file" | "rights">): void {
    // One name may stand for several stages, some of which ask for none of the granted rights.
    if (rights.length === 0) return;
    const stage = this.#nameOf(file);
    this.#hold(stage, rights);
    this.#added.add(stage);
  }

  /**
   * Saves what was granted, if the configuration folder can be written. Call this once nothing is refused any more:
   * grants that were given to a refused command should not stay.
   */
  keep(): void {
    const grants = this.#added.size === 0 ? undefined : this.#read();
    // A file that another version wrote, or that somebody is mending, is not overwritten.
    if (grants === undefined) return;
    const others = grants.filter((one) => one.project !== this.#project || !this.#added.has(one.stage));
    const own = Array.from(this.#added, (stage) => {
      return { project: this.#project, stage, rights: [...this.#held.get(stage)!].sort() };
    });
    this.#added.clear();
    const kept: GrantsFile = { format: 1, grants: [...others, ...own] };
    ignoreIoErrors(() => {
      allowWritesBelow(dirname(this.path));
      makeFolder(dirname(this.path));
      writeAtomically(this.path, `${JSON.stringify(kept, null, 2)}\n`);
    });
  }

  #nameOf(file: string): string {
    return relative(this.#project, file);
  }

  #hold(stage: string, rights: Iterable<string>): void {
    const held = this.#held.getOrInsertComputed(stage, () => new Set());
    for (const right of rights) held.add(right);
  }

  /** Returns undefined if the file cannot be read or understood: it then grants nothing. */
  #read(): GrantsFile["grants"] | undefined {
    const text = readTextIfThere(this.path);
    if (text !== undefined) return parseJson(text, grantsFileSchema)?.grants;
    return unlessReadable(() => statIfThere(this.path) === undefined, false) ? [] : undefined;
  }
}
