import { join } from "node:path";
import type { StageLine, Submission } from "../../schemas/cluster_records.ts";
import { type Diagnostic, errorOf, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { type DigestedExternals, digestStageExternals, withPaths } from "../keys/externals.ts";
import { keysOfStages } from "../keys/keys.ts";
import type { Kind, Stage } from "../keys/stage.ts";
import { type BuiltinKinds, describeAll, fromBuiltin } from "../pipeline/load/kinds.ts";
import { NEVER_VALID } from "../pipeline/load/pipeline_loader.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { realPath } from "../process/rights.ts";
import type { Digests } from "../store/digests.ts";
import { makeFolder, writeUnflushed } from "../store/files.ts";
import { layOut } from "./bundles.ts";
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
  const paths: Record<string, string> = {};
  for (const [name, bundle] of Object.entries(own.files)) {
    const path = layOut(bundle, join(folder, "external", String(Object.keys(paths).length)), cache);
    if (path === undefined) return notWhole(name);
    paths[name] = path;
  }
  const kinds = head.kinds.map((one) => ({ ...one.kind, validate: NEVER_VALID }) as unknown as Kind);
  const stages = [...lines].sort(([a], [b]) => a - b).map(([one, { stage }]): Stage => {
    // A shard is computed for itself: whoever submitted it has looked at the whole.
    const shard = one === line && stage.shard && { shard: { ...stage.shard, whole: stage.id } };
    const rest = { ...stage, ...shard, needs: [], timeoutMs: undefined } as unknown as Stage;
    if (one !== line) return { ...rest, kind: kinds[stage.kind]! };
    return { ...rest, kind, params: withPaths({ kind, params: stage.params }, paths) };
  });
  const { id } = own.stage;
  const here = digestStageExternals(stages.find((one) => one.id === id)!, folder, digests);
  const names = Object.keys({ ...own.externals, ...here.externals });
  const differing = names.filter((name) => own.externals[name] !== here.externals[name]);
  if (differing.length > 0) return refuse(differing.map((name) => differs(id, name)));
  const externals = new Map([...lines.values()].map(({ stage, externals }) => [stage.id, externals]));
  const keys = keysOfStages(stages, externals);
  for (const one of wanted) {
    const { id, recipeKey } = head.stages[one]!;
    if (keys.get(id)!.recipeKey !== recipeKey) return otherVersion(head);
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

function otherVersion<T>({ versions }: Submission): Result<T> {
  const submitted = Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ");
  const message = `noiseline on this node is not the one that submitted (${submitted}): keys come out otherwise`;
  return refused(message, "let the nodes and the submitting machine use one copy of noiseline, or one version");
}

function notWhole<T>(what: string): Result<T> {
  return refused(`${what}, which was sent along, is not whole in the shared cache`, "submit again");
}

function differs(id: string, name: string): Diagnostic {
  const variable = /^env:(.*)$/s.exec(name)?.[1];
  const [what, fix] = variable === undefined ? [name, "submit again"] : [
    `the environment variable ${variable}`,
    "set it under setup of the cluster file, or submit with the nodes' value",
  ];
  return errorOf("external", `stage "${id}": ${what} is another here than where it was submitted`, fix);
}

/** A kind with its functions, from what this node has of noiseline, or from the code of a custom stage. */
async function makeKind(
  { head, cache }: OpenSubmission,
  number: number,
  folder: string,
  builtins: BuiltinKinds,
): Promise<Result<Pick<Thawed, "granted"> & { readonly kind: Kind }>> {
  const { kind: { name, version }, code, rights } = head.kinds[number]!;
  if (code === null) {
    const kind = Object.hasOwn(builtins, name) ? fromBuiltin(builtins[name]!) : undefined;
    return kind?.version === version ? succeed({ kind, granted: undefined }) : otherVersion(head);
  }
  const file = layOut(code, join(folder, "code"), cache);
  if (file === undefined) return notWhole(name);
  const outcome = (await describeAll([{ file, written: name, params: [] }])).get(file)!;
  if ("error" in outcome) return refused(`cannot use ${name}: ${outcome.error}`, outcome.fix);
  const { kind } = outcome;
  return kind.version === version ? succeed({ kind, granted: { file: realPath(file), rights } }) : otherVersion(head);
}
