import { join } from "node:path";
import type { StageLine } from "../../schemas/cluster_records.ts";
import { type Diagnostic, errorOf, refuse, type Result, succeed, type ValueOf } from "../diagnostic/diagnostic.ts";
import { type DigestedExternals, digestStageExternals, withPaths } from "../keys/externals.ts";
import { actionsOf } from "../keys/action.ts";
import { keysOfActions } from "../keys/keys.ts";
import type { Kind, Stage, UserCode } from "../keys/stage.ts";
import { fromBuiltin, fromFile } from "../pipeline/load/builtin.ts";
import { withCode } from "../pipeline/load/definitions.ts";
import type { BuiltinKinds } from "../pipeline/load/kinds.ts";
import { type KeptPipeline, unpackPipeline } from "../pipeline/load/pipeline_loader.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { type Described, describeFile } from "../process/describe.ts";
import type { Digests } from "../store/digests.ts";
import { makeFolder, writeUnflushed } from "../store/files.ts";
import { realPath } from "../store/reading.ts";
import { layOut } from "./bundles.ts";
import type { TrustedSubmission } from "./submission.ts";

/** One stage of a submission and the stages that it reads, directly or not: good for planning, not for running. */
export type Recalled = Readonly<ValueOf<typeof recall>>;

function refused(message: string, fix: string): Result<never> {
  return refuse([errorOf("check", message, fix)]);
}

/**
 * Reads a stage and the stages that it reads. Nothing is laid out, and no code but the engine's is loaded.
 * @returns the stages as a pipeline, with the digests of what they read from outside, as they were submitted
 */
export function recall(submission: TrustedSubmission, line: number) {
  const { head, folder } = submission;
  const lines = new Map<number, StageLine>();
  // A set's iterator also visits entries that are added during the walk, and each entry once.
  const wanted = new Set([line]);
  for (const one of wanted) {
    const found = submission.readStage(one);
    if (found === undefined) {
      return refused(`line ${one} of ${folder}/stages.jsonl is not what was submitted`, "submit again");
    }
    lines.set(one, found);
    found.reads.forEach((each) => wanted.add(each));
  }
  // Within its job a stage waits for no other, and the job limits its time.
  const alone = { needs: [], timeoutMs: undefined };
  const kept = {
    pipeline: { ...head.pipeline, folder, knownProfiles: [] },
    kinds: head.kinds.map(({ kind }) => kind),
    stages: [...lines].sort(([a], [b]) => a - b).map(([, { stage }]) => ({ ...stage, ...alone })),
    ...{ families: [], leftOut: [], outside: [] },
  };
  const pipeline = unpackPipeline(kept as unknown as KeptPipeline);
  const externals = new Map(lines.values().map(({ stage, externals }) => [stage.id, externals]));
  const own = lines.get(line)!;
  const digested: DigestedExternals = { externals, problems: [] };
  if (!hasItsKeys(submission, pipeline, digested)) return otherVersion(submission);
  return succeed({ pipeline, id: head.stages[line]!.id, externals: digested, own });
}

/** Returns true if the keys are those that were submitted. */
function hasItsKeys({ head }: TrustedSubmission, pipeline: Pipeline, { externals }: DigestedExternals): boolean {
  const keys = keysOfActions(actionsOf(pipeline.stages.values()), externals);
  return head.stages.every(({ id, recipeKey }) => (keys.get(id)?.recipeKey ?? recipeKey) === recipeKey);
}

function otherVersion({ head }: TrustedSubmission): Result<never> {
  const submitted = Object.entries(head.versions).map(([name, version]) => `${name} ${version}`).join(", ");
  const message = `noiseline on this node is not the one that submitted (${submitted}): keys come out otherwise`;
  return refused(message, "let the nodes and the submitting machine use one copy of noiseline, or one version");
}

/**
 * Makes a stage ready to run: lays out its code and the files that it reads in a folder. Fails unless the keys are
 * still those that were submitted.
 *
 * @returns the pipeline, and the rights that the submitter granted to its code, by file; none for a built-in kind
 */
export async function thaw(
  submission: TrustedSubmission,
  { pipeline: recalled, id, externals, own }: Recalled,
  folder: string,
  { kinds, digests }: { readonly kinds: BuiltinKinds; readonly digests: Digests },
) {
  // This file hides settings above the folder, and makes the folder's contents one project.
  makeFolder(folder);
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
  const before = recalled.stages.get(own.stage.id)!;
  const stage: Stage = { ...before, kind, params: withPaths({ ...before, kind }, paths) };
  const here = digestStageExternals(stage, { ...recalled, folder }, digests).externals;
  const names = Object.keys({ ...own.externals, ...here }).filter((name) => own.externals[name] !== here[name]);
  if (names.length > 0) return refuse(names.map((name) => differs(id, name)));
  // The stage keeps its place in the order: the stages that it reads come before it.
  const pipeline: Pipeline = { ...recalled, folder, stages: new Map([...recalled.stages, [stage.id, stage]]) };
  return hasItsKeys(submission, pipeline, externals) ? succeed({ pipeline, granted }) : otherVersion(submission);
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
  const made = kindOf(sent, here, builtins);
  return made?.version === sent.version ? succeed({ kind: made, granted }) : otherVersion(submission);
}

/**
 * Makes a kind; undefined if this node has no such kind.
 * @param here the code of the kind, in the order of its `userCode`
 */
function kindOf({ custom, name, userCode }: Kind, here: readonly Described[], builtins: BuiltinKinds) {
  if (custom) {
    const made = fromFile(name, here[0]!);
    return "error" in made ? undefined : made;
  }
  if (!Object.hasOwn(builtins, name)) return undefined;
  const codes = userCode.map((one, index): UserCode => {
    const { file, code: { digest, files } } = here[index]!;
    return { ...one, file, digest, files };
  });
  const made = fromBuiltin(builtins[name]!);
  return codes.length === 0 ? made : withCode(made, codes, here.map(({ code }) => code.map));
}
