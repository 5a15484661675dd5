import { join } from "node:path";
import type { StageLine, Submission } from "../../schemas/cluster_records.ts";
import { type Diagnostic, errorOf, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { type DigestedExternals, digestStageExternals, withPaths } from "../keys/externals.ts";
import { actionsOf, partsOf } from "../keys/action.ts";
import { keysOfActions, matchesKey } from "../keys/keys.ts";
import type { Kind, Slot, Stage, UserCode } from "../keys/stage.ts";
import { type BuiltinKinds, fromBuiltin, fromFile, withCode } from "../pipeline/load/kinds.ts";
import { type KeptPipeline, unpackPipeline } from "../pipeline/load/pipeline_loader.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { GivenResult } from "../plan/planner.ts";
import { learnRankings, trialIn } from "../plan/slots.ts";
import { type Described, describeFile } from "../process/describe.ts";
import type { Digests } from "../store/digests.ts";
import { makeFolder, writeUnflushed } from "../store/files.ts";
import { realPath } from "../store/reading.ts";
import type { SharedCache } from "../store/cache/shared_cache.ts";
import type { Store } from "../store/store.ts";
import { layOut } from "./bundles.ts";
import type { TrustedSubmission } from "./submission.ts";

/** An action of a submission, as the job knows it that computes it: good for planning, not for running. */
export interface JobAction extends Pick<Submission["stages"][number], "id" | "recipeKey"> {
  /** Has only the stage of the action. */
  readonly pipeline: Pipeline;
  /** The results that the action reads, with the records of those that are in the shared cache. */
  readonly given: ReadonlyMap<string, GivenResult>;
  /** The digests of what the stage reads from outside, as they were submitted. */
  readonly externals: DigestedExternals;
  readonly own: StageLine;
}

function refused(message: string, fix: string): Result<never> {
  return refuse([errorOf("check", message, fix)]);
}

/**
 * Reads one action from its line of the submission's `stages.jsonl`, and looks up its inputs in the shared cache. It
 * is refused if its recipe key is not the one that was submitted. Writes no files and loads no user code. A slot of a
 * search has its trial once the rankings are there.
 */
export async function readAction(
  submission: TrustedSubmission,
  line: number,
  store: Store,
  cache: SharedCache,
): Promise<Result<JobAction>> {
  const { head, folder } = submission;
  const own = submission.readStage(line);
  if (own === undefined) {
    return refused(`line ${line} of ${folder}/stages.jsonl is not what was submitted`, "submit again");
  }
  // Within its job a stage waits for no other, and the job limits its time.
  const stage = { ...own.stage, kind: 0, needs: [], timeoutMs: undefined };
  const pipeline = unpackPipeline({
    pipeline: { ...head.pipeline, folder, knownProfiles: [], given: [] },
    ...{ kinds: [head.kinds[own.stage.kind]!.kind], stages: [stage], families: [], leftOut: [], outside: [] },
  } as unknown as KeptPipeline);
  const { id, recipeKey } = head.stages[line]!;
  const action = actionsOf(pipeline.stages.values()).find((one) => one.id === id)!;
  const bound = [...Object.values(action.stage.inputs).flat(), ...partsOf(action)];
  const read = own.reads.map((one) => head.stages[one]!);
  await cache.find(read.map((one) => ({
    ...{ stage: one.id, recipeKey: one.recipeKey, resolvedKey: undefined },
    judge: ({ outputs, ...manifest }, key) => {
      if (!matchesKey({ outputs, ...manifest }, key)) return "damaged";
      // A ranking, which decides what a slot is, is bound to no port.
      const own = bound.filter(({ stage }) => stage === one.id);
      return own.every(({ port, type }) => outputs[port]?.type === type) ? undefined : "misfit";
    },
  })));
  const given = new Map(read.map((one) => {
    return [one.id, { recipeKey: one.recipeKey, manifest: cache.knownByRecipe(one.recipeKey) }];
  }));
  const externals = { externals: new Map([[own.stage.id, own.externals]]), byBytes: new Map(), problems: [] };
  const found = { id, recipeKey, pipeline, given, externals, own };
  if (!hasItsKey(found)) return otherVersion(submission);
  const { slot } = action.stage;
  const results = new Map(given.entries().flatMap(([id, { manifest }]) => manifest ? [[id, manifest]] : []));
  await learnRankings([slot], results, cache);
  const trial = slot && trialIn(slot, results, store)?.id;
  const at = head.stages.findIndex((one) => one.id === trial);
  const told = at < 0 ? undefined : submission.readStage(at);
  if (told === undefined) return succeed(found);
  // A job has no stage but its own, so the slot brings the trial that is in it, and the job has the files of the trial.
  const filled = { ...action.stage, slot: { ...slot!, trial: told.stage as unknown as NonNullable<Slot["trial"]> } };
  externals.externals.set(told.stage.id, told.externals);
  return succeed({
    ...found,
    own: { ...own, files: told.files, externals: told.externals },
    pipeline: { ...pipeline, stages: new Map([[filled.id, filled]]) },
  });
}

/** Returns true if an action has the recipe key that was submitted. */
function hasItsKey({ pipeline, id, recipeKey, given, externals }: Omit<JobAction, "own">): boolean {
  const actions = actionsOf(pipeline.stages.values()).filter((action) => action.id === id);
  return keysOfActions(actions, externals.externals, given).get(id)?.recipeKey === recipeKey;
}

function otherVersion({ head }: TrustedSubmission): Result<never> {
  const submitted = Object.entries(head.versions).map(([name, version]) => `${name} ${version}`).join(", ");
  const message = `noiseline on this node is not the one that submitted (${submitted}): keys come out otherwise`;
  return refused(message, "let the nodes and the submitting machine use one copy of noiseline, or one version");
}

/**
 * Makes an action ready to run: lays out the code of its stage and the files that the stage reads in a folder. Fails
 * unless the key is still the one that was submitted.
 *
 * @returns the pipeline, and the rights that the submitter granted to its code, by file; none for a built-in kind
 */
export async function prepareAction(
  submission: TrustedSubmission,
  action: JobAction,
  folder: string,
  { kinds, digests }: { readonly kinds: BuiltinKinds; readonly digests: Digests },
) {
  const { pipeline: { stages, ...rest }, id, own } = action;
  makeFolder(folder);
  // This file hides settings above the folder, and makes the folder's contents one project.
  writeUnflushed(join(folder, "deno.json"), "{}");
  const made = await makeKind(submission, own.stage.kind, folder, kinds);
  if (!made.ok) return made;
  const { kind, granted } = made.value;
  const paths: Record<string, string> = {};
  for (const [name, bundle] of Object.entries(own.files)) {
    const place = join(folder, "external", String(Object.keys(paths).length));
    const path = layOut(bundle, place, submission.cache);
    if (path === undefined) return notWhole(name);
    paths[name] = path;
  }
  const before = stages.get(own.stage.id)!;
  const { slot, slot: { trial } = {} } = before;
  const filled = slot && trial &&
    { slot: { ...slot, trial: { ...trial, params: withPaths({ ...trial, kind }, paths) } } };
  const stage: Stage = { ...before, kind, params: withPaths({ ...before, kind }, paths), ...filled };
  const here = digestStageExternals(stage, { ...rest, folder }, digests).externals;
  const names = Object.keys({ ...own.externals, ...here }).filter((name) => own.externals[name] !== here[name]);
  if (names.length > 0) return refuse(names.map((name) => differs(id, name)));
  const pipeline: Pipeline = { ...rest, folder, stages: new Map([[stage.id, stage]]) };
  return hasItsKey({ ...action, pipeline }) ? succeed({ pipeline, granted }) : otherVersion(submission);
}

function notWhole(what: string): Result<never> {
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

/** Makes a kind with its functions, from this node's copy of noiseline and from the code that was sent along. */
async function makeKind(submission: TrustedSubmission, number: number, folder: string, builtins: BuiltinKinds) {
  const { kind, codes } = submission.head.kinds[number]!;
  const sent = kind as unknown as Kind;
  const here: Described[] = [];
  const granted: { readonly file: string; readonly rights: readonly string[] }[] = [];
  for (const [index, { uses }] of sent.userCode.entries()) {
    const { code, rights } = codes[index]!;
    const file = layOut(code, join(folder, "code", String(index)), submission.cache);
    if (file === undefined) return notWhole(uses);
    const found = await describeFile(file);
    if ("error" in found) return refused(`cannot use ${uses}: ${found.error}`, found.fix);
    here.push(found);
    granted.push({ file: realPath(file), rights });
  }
  if (sent.command !== undefined) granted.push({ file: realPath(sent.command.file), rights: codes[0]!.rights });
  const made = kindOf(sent, here, builtins);
  return made?.version === sent.version ? succeed({ kind: made, granted }) : otherVersion(submission);
}

/**
 * Makes a kind; undefined if this node has no such kind.
 * @param here the code of the kind, in the order of its `userCode`
 */
function kindOf(sent: Kind, here: readonly Described[], builtins: BuiltinKinds): Kind | undefined {
  const { custom, name, userCode, inputs, outputs, roles, command } = sent;
  if (custom) {
    const made = fromFile(name, here[0]!);
    return "error" in made ? undefined : made;
  }
  if (!Object.hasOwn(builtins, name)) return undefined;
  const codes = userCode.map((one, index): UserCode => {
    const { file, code: { digest, files } } = here[index]!;
    return { ...one, file, digest, files };
  });
  const builtin = fromBuiltin(builtins[name]!);
  // Ports may depend on params, as `best` of a ranking does.
  const made = builtin.portsFor === undefined ? builtin : { ...builtin, inputs, outputs };
  if (command !== undefined) return { ...made, inputs, outputs, roles, command };
  return codes.length === 0 ? made : withCode(made, codes, here.map(({ code }) => code.map));
}
