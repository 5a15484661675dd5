import { hostname } from "node:os";
import { join } from "node:path";
import { countOf } from "../../std/count_of.ts";
import { userFolder } from "../../std/user_folder.ts";
import { type Diagnostic, errorOf, refuse, succeed, type ValueOf } from "../diagnostic/diagnostic.ts";
import { digestExternals } from "../keys/externals.ts";
import { type Action, actionsOf, inputsOf, waitsOf } from "../keys/action.ts";
import { keysOfActions } from "../keys/keys.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { mayRun, type Plan, type PlannedAction } from "../plan/plan.ts";
import { Planner } from "../plan/planner.ts";
import { bundleForBrowsers } from "../process/bundle.ts";
import { installFiles, installPackages } from "../process/install.ts";
import { tryDevice } from "../process/device_trial.ts";
import { learnVersions, notGranted, requestsOf, withDeviceHere } from "../run/rights.ts";
import type { RunOptions } from "../run/run_options.ts";
import type { SharedCache } from "../store/cache/shared_cache.ts";
import { makeFolder } from "../store/files.ts";
import { acquireLock } from "../store/locks.ts";
import { sha256Of } from "../store/reading.ts";
import { makeTemporaryFolder } from "../store/folders.ts";
import { allowWritesBelow } from "../store/write_roots.ts";
import type { Store } from "../store/store.ts";
import { checkFolders, type Cluster } from "./cluster_file.ts";
import { needsOf, queueRefusalError, withJobResources } from "./needs.ts";
import { groupIntoJobs, type StageToSubmit } from "./parts.ts";
import {
  arrayOf,
  helpersOf,
  jobsByLine,
  nodesToLeaveOut,
  parseComment,
  type SubmittedStage,
} from "./submission_state.ts";
import { isLive, type JobNeeds, type QueuedJob, type QueueFacts } from "./queue.ts";
import { askQueue, type QueueContext, queueParts, untilAnswered } from "./queue_parts.ts";
import { nodePaths, PROGRAM } from "./script.ts";
import { clusterFolder, openSubmission, writeSubmission } from "./submission.ts";

export interface SubmitOptions
  extends
    QueueContext,
    Required<Pick<RunOptions, "grants" | "versions" | "targets">>,
    Pick<RunOptions, "askForGrants"> {
  readonly cluster: Cluster;
  readonly cache: SharedCache;
  /** Recipes that were given up; stages that follow them are not submitted either. */
  readonly givenUp: ReadonlySet<string>;
  /** True to cancel waiting jobs of this pipeline that it no longer asks for. */
  readonly replaceQueued: boolean;
}

/** A stage that a job computes, or will compute. */
export type Tracked = Omit<SubmittedStage, "job" | "end">;

export type SubmittedPipeline = Readonly<ValueOf<typeof submitPipeline>>;

type Earlier = Readonly<ReturnType<typeof findQueuedStages>>;

/** Plans what is to be submitted, and asks the user about the rights that it needs. */
async function planSubmission(file: Pipeline, store: Store, options: SubmitOptions) {
  const { cluster, cache, targets, grants } = options;
  const pipeline = await learnVersions(file, grants);
  const externals = digestExternals(pipeline, store.digests);
  const placed = {
    ...pipeline,
    stages: new Map(pipeline.stages.entries().map(([id, one]) => [id, withJobResources(one, cluster.settings)])),
  };
  const planner = Planner.make(placed, store, { targets, cache, externals, remote: true });
  if (!planner.ok) return planner;
  const plan = await planner.value.plan();
  const open = [...plan.actions.values()].filter(mayRun);
  // The queue may let minutes pass before it answers, so the user is asked first.
  const asking = await Promise.all(Array.from(stagesOf(open), (stage) => withDeviceHere(stage, tryDevice)));
  const requests = requestsOf(asking, pipeline.folder);
  const refused = open.length === 0 ? [] : grants.open([...cluster.asks, ...requests]);
  if (refused.length > 0 && await options.askForGrants?.(refused) !== true) {
    return refuse([notGranted(refused, pipeline.origins)]);
  }
  refused.forEach((one) => grants.add(one));
  return succeed({ pipeline, externals: externals.externals, placed, plan, open, requests, asked: refused.length > 0 });
}

/**
 * Submits the stages of a pipeline that are neither in the shared cache nor queued already. Submitting again adds only
 * what is missing by then.
 *
 * @returns the tracked stages; `before`: the stages that each of them waits for; `own`: the submission that was written
 * now, if anything was left to submit
 */
export async function submitPipeline(file: Pipeline, store: Store, options: SubmitOptions) {
  const { cluster, cache, versions, say, givenUp } = options;
  const { settings, name } = cluster;
  const misplaced = checkFolders(cluster);
  if (misplaced.length > 0) return refuse(misplaced);
  let planned = await planSubmission(file, store, options);
  // A program that the user has granted now may say its version, which decides what is submitted.
  if (planned.ok && planned.value.asked) planned = await planSubmission(file, store, options);
  if (!planned.ok) return planned;
  const { pipeline, externals, placed, plan, open, requests } = planned.value;
  const tracked: Tracked[] = [];
  if (open.length === 0) return succeed({ plan, tracked, before: new Map<string, string[]>(), own: undefined });

  // Two commands that both found nothing queued would submit everything twice.
  const locks = join(userFolder("slots"), hostname());
  allowWritesBelow(locks);
  makeFolder(locks);
  const path = join(locks, `submit-${sha256Of(settings.cache).slice(0, 16)}.lock`);
  const onWait = (holder: string) => say(`waiting for ${holder}, which submits jobs`);
  using lock = await acquireLock(path, { signal: options.stop, onWait });
  if (lock === undefined) return refuse([errorOf("machine", "stopped before anything was submitted", "run again")]);

  const found = await askQueue(options, helperNeeds(cluster));
  if (!found.ok) return found;
  const { jobs: queued, facts } = found.value;
  const actions = actionsOf(pipeline.stages.values());
  const keeps = store.keeps();
  const keys = keysOfActions(actions, externals, undefined, keeps);
  const wanted = new Set(keys.values().map(({ recipeKey }) => recipeKey));
  const earlier = findQueuedStages(queued, settings.cache, pipeline.name, wanted);
  if (earlier.unwanted.length > 0) await replaceQueued(earlier, options);

  const { missing, before } = findMissing(open, actions, earlier, givenUp);
  for (const { id, recipeKey } of open) {
    const known = earlier.live.get(recipeKey) ?? earlier.promised.get(recipeKey);
    if (known !== undefined && !missing.has(id)) tracked.push({ ...known, id });
  }
  const going = new Set(tracked.flatMap(({ recipeKey }) => earlier.live.get(recipeKey)?.job ?? [])).size;
  if (going > 0) say(`${going} ${going === 1 ? "job is" : "jobs are"} queued already`);
  if (missing.size === 0) return succeed({ plan, tracked, before, own: undefined });

  const stages = [...missing.values()];
  const paths = await nodePaths(settings);
  if (!paths.ok) return paths;
  const { setup, scratch, arrayLimit, restarts, logs } = settings;
  const used = { scratch, arrayLimit, logs, ...paths.value, setup, restarts, helper: helperNeeds(cluster) };
  const ask = async (leftOut: readonly string[]) => {
    const own = actions.filter(({ id }) => missing.has(id));
    const needs = new Map(own.map((action) => [action.id, without(leftOut, needsOf(action, settings))]));
    return { leftOut, needs, problems: await testNeeds(stages, needs, pipeline, { ...options, ...facts }) };
  };
  let asked = await ask(nodesToLeaveOut(settings.cache, used, queued));
  // Without these nodes there may be none that is large enough.
  if (asked.leftOut.length > 0 && asked.problems.length > 0) asked = await ask([]);
  const { leftOut, needs, problems } = asked;
  if (problems.length > 0) return refuse(problems);
  if (leftOut.length > 0) say(`left out, as jobs ended there before they began, more than once: ${leftOut.join(", ")}`);
  const unsent = await sendInputs(stages, plan, store, cache);
  if (unsent !== undefined) return refuse([unsent]);
  const unfetched = await fetchPackages(stages, settings, settings.packages !== undefined, options);
  if (unfetched !== undefined) return refuse([unfetched]);

  const tasks = stages.map(({ id, stage: { entry }, recipeKey }): StageToSubmit => {
    const waits = Map.groupBy(before.get(id)!, (one) => missing.has(one));
    const jobs = waits.get(false)?.map((one) => earlier.live.get(keys.get(one)!.recipeKey)!.job) ?? [];
    const own = { id, entry: entry.replace(/~.*$/s, ""), recipeKey, needs: needs.get(id)! };
    return { ...own, before: waits.get(true) ?? [], jobs };
  });
  if (logs !== undefined) {
    allowWritesBelow(logs);
    makeFolder(logs);
  }
  const written = await writeSubmission({
    pipeline: placed,
    externals,
    keeps,
    parts: groupIntoJobs(tasks, facts.maxArray, earlier.sizes),
    cache: settings.cache,
    digests: store.digests,
    cluster: name,
    settings: used,
    grants: requests,
    versions: { ...versions },
  });
  if (!written.ok) return written;
  options.grants.keep();
  const submission = written.value;
  const { head } = submission;
  const computed = new Map(
    head.parts.flatMap(({ lines }) => lines).map((line) => [head.stages[line]!.recipeKey, line]),
  );
  for (const { id, recipeKey } of stages) {
    tracked.push({ id, recipeKey, submission, line: computed.get(recipeKey)! });
  }
  say(`${stagesOf(stages).size} of ${plan.stages.size} stages are submitted to ${name} as ${head.id}`);
  const made = await queueParts(submission, options);
  if (!made.ok) return made;
  return succeed({ plan, tracked, before, own: { submission, queued: made.value } });
}

const stagesOf = (actions: readonly Action[]) => new Set(actions.map(({ stage }) => stage));

/** Returns the needs of helper jobs, which submit other jobs. */
function helperNeeds({ settings: { partition, account, qos, sbatch = [] } }: Cluster): JobNeeds {
  return { cpus: 1, gpus: 0, memoryMiB: 1024, minutes: 15, partition, account, qos, options: sbatch };
}

/** Adds nodes to those that a job must not run on. The last option of a kind counts, so the user's own is repeated. */
function without(nodes: readonly string[], needs: JobNeeds): JobNeeds {
  const own = needs.options.flatMap((one) => /^--exclude=(.+)/.exec(one)?.[1] ?? []);
  return nodes.length === 0 ? needs : { ...needs, options: [...needs.options, `--exclude=${[...own, ...nodes]}`] };
}

/** Finds the stages that are queued already, by recipe. */
function findQueuedStages(jobs: readonly QueuedJob[], cache: string, pipeline: string, wanted: ReadonlySet<string>) {
  const found = {
    live: new Map<string, Omit<Tracked, "id"> & { readonly job: string }>(),
    /** Stages that a helper job of an earlier submission will submit. */
    promised: new Map<string, Omit<Tracked, "id">>(),
    /** The number of children of each array, by its id. */
    sizes: new Map<string, number>(),
    /**
     * Waiting jobs of this pipeline for stages that it no longer has, and the helper jobs that would submit these
     * again.
     */
    unwanted: [] as string[],
  };
  const live = jobs.filter(isLive);
  for (const id of new Set(live.map(({ comment }) => parseComment(comment)?.submission ?? ""))) {
    const opened = id === "" ? undefined : openSubmission(clusterFolder(cache, "submissions", id));
    if (!opened?.ok) continue;
    const submission = opened.value;
    const { parts, stages, pipeline: { name } } = submission.head;
    const stale: QueuedJob[] = [];
    for (const [line, job] of jobsByLine(submission, live)) {
      if (!isLive(job)) continue;
      const { recipeKey } = stages[line]!;
      found.live.set(recipeKey, { recipeKey, submission, line, job: job.id });
      if (name === pipeline && !wanted.has(recipeKey)) stale.push(job);
    }
    for (const { lines, children } of parts) {
      const job = children && found.live.get(stages[lines[0]!]!.recipeKey)?.job;
      if (job) found.sizes.set(arrayOf(job), lines.length);
    }
    const helpers = helpersOf(submission, jobs);
    found.unwanted.push(...stale.filter(({ state }) => state === "waiting").map((job) => job.id));
    if (stale.length > 0) found.unwanted.push(...helpers.map((job) => job.id));
    if (!helpers.some(({ comment }) => parseComment(comment)!.what === "rest")) continue;
    for (const line of parts.flatMap(({ lines }) => lines)) {
      const { recipeKey } = stages[line]!;
      found.promised.set(recipeKey, { recipeKey, submission, line });
    }
  }
  return found;
}

async function replaceQueued({ unwanted, promised }: Earlier, options: SubmitOptions): Promise<void> {
  const [are, them] = unwanted.length === 1 ? ["job is", "it"] : ["jobs are", "them"];
  const jobs = `${unwanted.length} waiting ${are} of an earlier version of this pipeline`;
  if (!options.replaceQueued) return options.say(`${jobs}; --replace-queued cancels ${them}`);
  promised.clear();
  const problem = await options.queue.cancel(unwanted);
  options.say(problem === undefined ? `${jobs}, and cancelled` : `${jobs}, and cannot be cancelled: ${problem}`);
}

/** Returns the stages that nobody computes yet, in order, and the unfinished stages that each stage waits for. */
function findMissing(
  open: readonly PlannedAction[],
  actions: readonly Action[],
  { live, promised }: Earlier,
  givenUp: ReadonlySet<string>,
) {
  const waits = waitsOf(actions);
  const left = new Map(open.map((planned) => [planned.id, planned]));
  const before = new Map<string, string[]>();
  const dropped = new Set<string>();
  for (const action of open) {
    const { id, recipeKey } = action;
    const own = [...new Set(waits.get(id)!.all)].filter((one) => left.has(one));
    before.set(id, own);
    if (givenUp.has(recipeKey) || own.some((one) => dropped.has(one))) dropped.add(id);
  }
  // No job can be queued after one that is only promised, so a promised stage that another one reads is submitted too.
  const read = new Set<string>();
  const missing = open.toReversed().filter(({ id, recipeKey }) => {
    if (dropped.has(id) || live.has(recipeKey) || (promised.has(recipeKey) && !read.has(id))) return false;
    before.get(id)!.forEach((one) => read.add(one));
    return true;
  });
  return { missing: new Map(missing.reverse().map((one) => [one.id, one])), before };
}

/** Asks the queue about each distinct job before any is queued. */
export async function testNeeds(
  actions: readonly Action[],
  needs: ReadonlyMap<string, JobNeeds>,
  pipeline: Pipeline,
  { queue, cluster, partitions, ...context }:
    & Pick<SubmitOptions, "cluster" | keyof QueueContext>
    & Pick<QueueFacts, "partitions">,
): Promise<Diagnostic[]> {
  const distinct = Map.groupBy(actions, ({ id }) => JSON.stringify(needs.get(id)));
  const problems = await Promise.all(
    distinct.values().map(async ([first]) => {
      const { id, stage } = first!;
      const own = needs.get(id)!;
      const request = { name: "noiseline-test", comment: "", script: "#!/bin/sh\n", folder: "/" };
      const ask = () => queue.test({ ...request, needs: own, order: {} });
      const answer = await untilAnswered(ask, { queue, ...context });
      if (!answer.ok) return answer.diagnostics;
      const { refused } = answer.value;
      const places = { ...cluster, partitions, stages: pipeline.origins };
      return refused === undefined ? [] : [queueRefusalError(refused, stage, own, places)];
    }),
  );
  // Problems at the same place of a file, from many stages, are one error.
  return [...new Map(problems.flat().map((one) => [one.path, one])).values()];
}

/** Sends local results that jobs read. @returns why that failed, or undefined */
async function sendInputs(stages: readonly PlannedAction[], plan: Plan, store: Store, cache: SharedCache) {
  const read = new Set(stages.flatMap(inputsOf));
  for (const id of read) {
    const { manifest, shared, recipeKey } = plan.actions.get(id)!;
    if (manifest !== undefined && shared !== true) cache.offer(manifest, recipeKey, store);
  }
  const { failed, problem } = await cache.uploads.finish();
  if (failed === 0) return undefined;
  const message = `Cannot send ${countOf(failed, "result")} that jobs read: ${problem?.message}`;
  return errorOf("machine", message, problem?.fix ?? "run again");
}

/** Fetches the packages that stages load to where the nodes look for them: nodes often have no network. */
export async function fetchPackages(
  stages: readonly PlannedAction[],
  { packages }: Cluster["settings"],
  withProgram: boolean,
  { say, stop }: Pick<SubmitOptions, "say" | "stop">,
): Promise<Diagnostic | undefined> {
  if (packages !== undefined) Deno.env.set("DENO_DIR", packages);
  const failed = (problem: string) =>
    errorOf("machine", `Cannot fetch packages: ${problem}`, "check the network, then run again");
  const kinds = [...new Set(stages.map(({ stage: { kind } }) => kind))];
  for (const one of withProgram ? [...kinds, { entry: PROGRAM }] : kinds) {
    const problem = await installPackages(one, say, stop);
    if (problem !== undefined) return failed(problem);
  }
  for (const kind of kinds) {
    await using temporary = await makeTemporaryFolder();
    // The bundle is kept with the packages: bundling also fetches esbuild, so a node that has to bundle finds esbuild
    // there.
    const bundled = await bundleForBrowsers(kind, temporary.folder, packages && join(packages, "bundles"));
    if (bundled !== undefined && "message" in bundled) return errorOf("machine", bundled.message, bundled.fix);
  }
  const files = stages.flatMap(({ stage: { kind, params } }) => kind.externals?.(params) ?? [])
    .filter(({ files }) => files === true);
  for (const one of new Map(files.map((one) => [`${one.name}@${one.version}`, one])).values()) {
    const installed = await installFiles(one, say);
    if ("problem" in installed) return failed(installed.problem);
  }
  return undefined;
}
