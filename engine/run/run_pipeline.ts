import type { SharedCache } from "../store/cache/shared_cache.ts";
import { type Diagnostic, errorOf, refuse, type Result, succeed, type ValueOf } from "../diagnostic/diagnostic.ts";
import type { Emit, RunOptions, RunStatus, StageEndState } from "./events.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { mayRun, type Plan } from "../plan/plan.ts";
import { Planner } from "../plan/planner.ts";
import { Grants, notGranted, requestsOf } from "../process/rights.ts";
import { makeFolder } from "../store/files.ts";
import { isThere } from "../store/reading.ts";
import { ignoreTrouble, isEnvironmental, isMachineTrouble } from "../store/trouble.ts";
import type { Store } from "../store/store.ts";
import { findSharedOutputs, findStaleOutputs, planWithoutDevices } from "./stale_outputs.ts";
import { estimateRun } from "./probe.ts";
import { markBlocked, Scheduler } from "./scheduler.ts";
import { capacityOf } from "./slots.ts";
import type { StageResult } from "./stage_result.ts";
import { waitingForStore } from "./stage_runner.ts";

export type RunSummary = Readonly<ValueOf<typeof runPipeline>>;

/**
 * Brings a pipeline to its declared state. Cached stages are not touched; the rest runs in dependency order.
 * @returns a summary, with `now`: the state of all stages of the pipeline at the end of the run
 */
export async function runPipeline(pipeline: Pipeline, store: Store, options: RunOptions = {}) {
  const emit = options.emit ?? (() => {});
  const onWait = (holder: string) => emit({ type: "note", message: waitingForStore(holder) });
  const locked = await lockStore(store, () => store.guards.acquireSharedGcLock(options.stop, onWait));
  if (!locked.ok) return locked;
  using still = new DisposableStack();
  still.use(locked.value);
  // This process may know the store as it was before the last `gc`.
  store.results.forget();
  const { root, paths: { kept } } = store;
  // Somebody may have removed it; without it nothing can be recorded that saves the next run time.
  if (isThere(root) && !isThere(kept)) ignoreTrouble(() => makeFolder(kept));
  const made = Planner.make(pipeline, store, options);
  if (!made.ok) return made;
  const planner = made.value;
  const started = performance.now();
  const plan = await planner.plan();
  if (plan.problems.length > 0) return refuse(plan.problems);
  const results = new Map<string, StageResult>();
  for (const [id, { state, manifest }] of plan.actions) {
    if (state === "cached") results.set(id, { state: "cached", manifest: manifest! });
  }
  const finish = (status: RunStatus, runId?: string) => {
    const ends = [...results].map(([id, { state }]) => [id, state] as const);
    const stages = new Map([...results].filter(([id]) => plan.stages.has(id)));
    const counts = countEnds([...ends, ...options.endedElsewhere ?? []], plan);
    const now = planWithoutDevices(pipeline, store, options.given);
    const isBegun = status !== "interrupted" || runId !== undefined;
    const earlier = isBegun && now.ok ? findStaleOutputs({ pipeline, stages: now.value }, store) : [];
    const durationMs = performance.now() - started;
    emit({ type: "run-finished", pipeline: pipeline.name, status, counts, durationMs, runId, earlier });
    return succeed({ status, runId, plan, actions: results, stages, counts, now });
  };
  const isStopped = () => options.stop?.aborted === true;
  const finishEarly = () => {
    markBlocked(plan, results);
    return finish("interrupted");
  };
  const grants = options.grants ?? new Grants(pipeline.folder);
  const requests = grants.open(requestsOf([...plan.actions.values()].filter(mayRun), pipeline.folder));
  if (requests.length > 0) {
    if (await options.askForGrants?.(requests) !== true) {
      if (isStopped()) return finishEarly();
      return refuse([notGranted(requests, pipeline.origins)]);
    }
    for (const request of requests) grants.add(request);
  }
  // After Ctrl-C while `gc` had the store to itself, the plan was made without the lock.
  if (isStopped()) return finishEarly();
  options.cache?.resumeUploads(store);
  if (results.size === plan.actions.size) {
    grants.keep();
    if (options.cache !== undefined) await finishSending(options.cache, emit);
    return finish(options.endedElsewhere?.size ? "failed" : "done");
  }

  for (const diagnostic of findSharedOutputs(plan, store)) emit({ type: "warning", diagnostic });
  const closed = findClosedStore(plan, store);
  if (closed !== undefined) return refuse([closed]);
  const prepared = store.prepare();
  if (!prepared.ok) return prepared;
  if (options.agree !== undefined) {
    const say = (message: string) => emit({ type: "note", message });
    const { agree, stop = new AbortController().signal } = options;
    const refused = await agree(await estimateRun(plan, store, { capacity: capacityOf(options), say, stop }));
    if (refused.length > 0 && !isStopped()) return refuse(refused);
  }
  const marked = await lockStore(store, () => store.guards.markInUse(options.stop, onWait));
  if (!marked.ok) return marked;
  using _inUse = marked.value;
  if (isStopped()) return finishEarly();
  grants.keep();
  const scheduler = new Scheduler(store, planner, plan, results, { ...options, grants }, emit);
  scheduler.begin();
  // Everything that the run relies on is on record now, so `gc` may remove the rest.
  still.dispose();
  const ended = await scheduler.run();
  if (options.cache !== undefined) await finishSending(options.cache, emit);
  return finish(...ended);
}

/**
 * Returns an error for a store that the processes of stages cannot reach: Deno gives a process with restricted
 * permissions no access below /dev, /proc and /sys, whatever the permissions are.
 */
function findClosedStore({ actions }: Plan, { root }: Store): Diagnostic | undefined {
  const starts = [...actions.values()].some((planned) => planned.stage.kind.runs !== "inline" && mayRun(planned));
  if (!starts || !/^\/(?:dev|proc|sys)\//.test(root)) return undefined;
  const message = `Cannot keep the store at ${root}: Deno gives the processes of stages no access there`;
  const fix = "give a folder elsewhere with --store; a tmpfs may be mounted anywhere";
  return errorOf("file-unreadable", message, fix);
}

/** Takes a lock of the whole store, or returns why that cannot be done. */
async function lockStore<T>(store: Store, take: () => Promise<T>): Promise<Result<T>> {
  try {
    return succeed(await take());
  } catch (error) {
    // A full or failing disk is not the folder's fault; the command line reports it in its own words.
    if (!isEnvironmental(error) || isMachineTrouble(error)) throw error;
    const message = `Cannot lock the store at ${store.root}: ${(error as Error).message}`;
    return refuse([errorOf("file-unreadable", message, "repair its folder or give --store")]);
  }
}

/** Waits for results that are still to be sent: stages never wait for that. Ctrl-C ends the wait. */
async function finishSending(cache: SharedCache, emit: Emit): Promise<void> {
  const { waiting } = cache.uploads;
  const results = (count: number) => `${count} ${count === 1 ? "result" : "results"}`;
  if (waiting > 0) emit({ type: "note", message: `sending ${results(waiting)} to the shared cache` });
  const { sent, failed: left } = await cache.uploads.finish();
  const counts = [sent > 0 ? `${results(sent)} sent` : "", left > 0 ? `${results(left)} not sent` : ""];
  const said = counts.filter(Boolean).join(", ");
  if (said !== "") emit({ type: "note", message: `${said} to the shared cache` });
}

/** @param ends how actions ended, by id */
export function countEnds(ends: Iterable<readonly [string, StageEndState]>, { actions }: Pick<Plan, "actions">) {
  const counts: Record<StageEndState, number> = {
    cached: 0,
    restored: 0,
    ran: 0,
    failed: 0,
    interrupted: 0,
    blocked: 0,
  };
  // Shards are counted only if they failed or were interrupted.
  for (const [id, state] of ends) {
    if (actions.get(id)?.shard === undefined || state === "failed" || state === "interrupted") counts[state]++;
  }
  return counts;
}
