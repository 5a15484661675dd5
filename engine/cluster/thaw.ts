import { dirname, join } from "node:path";
import { shippedListSchema, type StageLine } from "../../schemas/cluster_records.ts";
import type { FileEntry } from "../../schemas/records.ts";
import { type Diagnostic, errorOf, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { type DigestedExternals, digestStageExternals, type Externals, withPaths } from "../keys/externals.ts";
import { keysOfStages } from "../keys/keys.ts";
import type { Kind, Stage } from "../keys/stage.ts";
import { type BuiltinKinds, describeAll, fromBuiltin } from "../pipeline/load/kinds.ts";
import { NEVER_VALID } from "../pipeline/load/pipeline_loader.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { realPath } from "../process/rights.ts";
import { objectName, sha256Of } from "../store/cache/layout.ts";
import type { Digests } from "../store/digests.ts";
import { copyFile, makeFolder, writeUnflushed } from "../store/files.ts";
import { holds, readIfThere, statIfThere } from "../store/reading.ts";
import { parseJson } from "../store/records.ts";
import { inside } from "../store/roots.ts";
import type { OpenSubmission } from "./submission.ts";

/** One stage of a submission, ready to run, and what it reads. */
export interface Thawed {
  readonly pipeline: Pipeline;
  readonly id: string;
  /** What the submitter granted to its code; none of a built-in kind. */
  readonly granted: { readonly file: string; readonly rights: readonly string[] } | undefined;
  /** Of all its stages. What others than the stage itself read is not here. */
  readonly externals: DigestedExternals;
}

function refused<T>(message: string, fix: string): Result<T> {
  return refuse([errorOf("check", message, fix)]);
}

/**
 * Make a pipeline of one stage and those that it reads, directly or not. Its code and the files that it reads are laid
 * out in a folder, and the keys come out as they were submitted, or nothing does.
 */
export async function thaw(
  submission: OpenSubmission,
  line: number,
  folder: string,
  { kinds: builtins, digests }: { readonly kinds: BuiltinKinds; readonly digests: Digests },
): Promise<Result<Thawed>> {
  if (!submission.trusted) throw new Error("Cannot happen: a submission of unknown digest is to be executed");
  const { head, cache } = submission;
  const lines = new Map<number, StageLine>();
  const wanted = new Set([line]);
  // A set hands out what is added while it is walked, and nothing twice.
  for (const one of wanted) {
    const found = submission.readStage(one);
    if (found === undefined) {
      return refused(`line ${one} of ${submission.folder}/stages.jsonl is not what was submitted`, "submit again");
    }
    lines.set(one, found);
    found.reads.forEach((each) => wanted.add(each));
  }
  // Settings that lie above the folder have no say, and what lies in it belongs together.
  makeFolder(folder);
  writeUnflushed(join(folder, "deno.json"), "{}");
  const own = lines.get(line)!;
  const made = await makeKind(submission, own.stage.kind, folder, builtins);
  if (!made.ok) return made;
  const { kind, granted } = made.value;
  const laid = layOutExternals(own, folder, cache);
  if (!laid.ok) return laid;

  const kinds = head.kinds.map((one) => ({ ...one.kind, validate: NEVER_VALID }) as unknown as Kind);
  const stages = [...lines].sort(([a], [b]) => a - b).map(([one, { stage }]): Stage => {
    const rest = { ...stage, needs: [], timeoutMs: undefined } as unknown as Stage;
    if (one !== line) return { ...rest, kind: kinds[stage.kind]! };
    return { ...rest, kind, params: withPaths({ kind, params: stage.params }, laid.value) };
  });
  const { id } = own.stage;
  const here = digestStageExternals(stages.find((one) => one.id === id)!, folder, digests);
  const differing = differences(own.externals, here.externals);
  if (differing.length > 0) return refuse(differing.map((name) => differs(id, name)));
  const externals = new Map([...lines.values()].map(({ stage, externals }) => [stage.id, externals]));
  const keys = keysOfStages(stages, externals);
  for (const [one, { stage }] of lines) {
    if (keys.get(stage.id)!.recipeKey !== head.stages[one]!.recipeKey) return refused(...otherVersion(submission));
  }
  const pipeline: Pipeline = {
    ...head.pipeline,
    folder,
    knownProfiles: [],
    stages: new Map(stages.map((stage) => [stage.id, stage])),
    families: new Map(),
    leftOut: new Map(),
    origins: { locate: () => undefined, explain: () => [""] },
  };
  return succeed({ pipeline, id, granted, externals: { externals, problems: [] } });
}

function otherVersion({ head }: OpenSubmission): [string, string] {
  const versions = Object.entries(head.versions).map(([name, version]) => `${name} ${version}`).join(", ");
  const message = `noiseline on this node is not the one that submitted (${versions}): keys come out otherwise`;
  return [message, "let the nodes and the submitting machine use one copy of noiseline, or one version"];
}

/** Names that have different digests. */
function differences(a: Externals, b: Externals): string[] {
  return Object.keys({ ...a, ...b }).filter((name) => a[name] !== b[name]);
}

function differs(id: string, name: string): Diagnostic {
  const variable = /^env:(.*)$/s.exec(name)?.[1];
  if (variable === undefined) {
    return errorOf("external", `stage "${id}": ${name} is another here than where it was submitted`, "submit again");
  }
  const message = `stage "${id}": the environment variable ${variable} is another here than where it was submitted`;
  return errorOf(
    "external",
    message,
    `set ${variable} under setup of the cluster file, or submit with the nodes' value`,
  );
}

/** A kind with its functions, from what this node has of noiseline, or from the code of a custom stage. */
async function makeKind(
  submission: OpenSubmission,
  number: number,
  folder: string,
  builtins: BuiltinKinds,
): Promise<Result<Pick<Thawed, "granted"> & { readonly kind: Kind }>> {
  const { kind: { name, version, ...was }, code } = submission.head.kinds[number]!;
  if (code === null) {
    const kind = Object.hasOwn(builtins, name) ? fromBuiltin(builtins[name]!) : undefined;
    return kind?.version === version ? succeed({ kind, granted: undefined }) : refused(...otherVersion(submission));
  }
  const missing = layOut(code.files, join(folder, "code"), submission.cache);
  if (missing !== undefined) return notThere(missing);
  const file = inside(join(folder, "code"), code.entry);
  const outcome = (await describeAll([{ file, written: name, params: [] }])).get(file)!;
  if ("error" in outcome) return refused(`cannot use ${name}: ${outcome.error}`, outcome.fix);
  if (outcome.kind.version !== version) {
    const parts = differences((was["modules"] ?? {}) as Externals, outcome.kind.modules ?? {}).join(", ");
    return refused(`the code of ${name} comes out otherwise on this node: ${parts}`, otherVersion(submission)[1]);
  }
  return succeed({ kind: outcome.kind, granted: { file: realPath(file), rights: code.rights } });
}

/** @returns paths by name, as {@linkcode withPaths} takes them */
function layOutExternals({ files }: StageLine, folder: string, cache: string): Result<Record<string, string>> {
  const paths: Record<string, string> = {};
  for (const [index, [name, shipped]] of Object.entries(files).entries()) {
    const place = join(folder, "external", String(index));
    paths[name] = inside(place, shipped.path);
    let list: readonly FileEntry[] | undefined = [shipped];
    if (shipped.folder) {
      const bytes = readIfThere(join(cache, objectName(shipped.sha256)));
      const good = bytes !== undefined && sha256Of(bytes) === shipped.sha256;
      list = good ? parseJson(new TextDecoder().decode(bytes), shippedListSchema) : undefined;
    }
    const missing = list === undefined ? shipped.path : layOut(list, shipped.folder ? paths[name] : place, cache);
    if (missing !== undefined) return notThere(missing);
  }
  return succeed(paths);
}

function notThere<T>(path: string): Result<T> {
  return refused(`${path}, which was sent along, is not whole in the shared cache`, "submit again");
}

/** Copy objects of the cache to their places. @returns the path of one that is not whole */
function layOut(files: readonly FileEntry[], folder: string, cache: string): string | undefined {
  makeFolder(folder);
  for (const { path, size, sha256 } of files) {
    const object = join(cache, objectName(sha256));
    const target = inside(folder, path);
    const info = statIfThere(object);
    // Looked at first: a copy of what is no file, or much too large, may have no end.
    if (info?.isFile !== true || info.size !== size) return path;
    makeFolder(dirname(target));
    copyFile(object, target);
    if (!holds(target, sha256)) return path;
  }
  return undefined;
}
