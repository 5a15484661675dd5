import type { SubmitOptions } from "noiseline/cluster";
import type { StageEndState } from "noiseline/engine";
import type { Diagnostic, Emit, Plan } from "noiseline/core";
import { commandFor, importLate, mayRun, type Pipeline, type Store } from "noiseline/core";
import { EXIT, Exit, fail, failWith, problem, refuseWith } from "./io.ts";
import { makePlanner, openCacheFor } from "./open.ts";

/** Options of `run` that apply to this machine only; they have no meaning where the jobs run. */
const LOCAL_ONLY = ["jobs", "gpus", "force", "forceAll", "replace", "mirror"] as const;

interface OnOptions extends Readonly<Partial<Record<typeof LOCAL_ONLY[number], unknown>>> {
  readonly detach?: true | undefined;
  readonly replaceQueued?: true | undefined;
}

interface OnArguments extends Pick<SubmitOptions, "cluster" | "grants" | "versions" | "targets" | "askForGrants"> {
  readonly emit: Emit;
  /** The stages as the user named them. */
  readonly named: readonly string[];
  readonly stop: AbortSignal;
}

export function refuseLocalOptions(options: OnOptions): void {
  const flags = LOCAL_ONLY.filter((name) => options[name] !== undefined).map((name) =>
    `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  );
  const fix = "leave it out: the cluster's file and the resources of stages say what jobs do";
  if (flags.length > 0) refuseWith(flags.map((flag) => problem(`${flag} does not go with --on`, fix)));
}

/**
 * Lets a cluster compute the stages of a pipeline, and watches. Ends the command if the user leaves.
 *
 * @returns options for a run that fetches the results to this machine: the freshly opened cache, how the other stages
 *   ended, and what prevents stages from being computed here
 */
export async function runOnCluster(pipeline: Pipeline, store: Store, options: OnOptions, asked: OnArguments) {
  const { emit, stop, cluster, named } = asked;
  const started = performance.now();
  const { QUEUE: queue, executorOfJobs, submitPipeline, watchJobs } = await importLate<
    typeof import("noiseline/cluster")
  >("noiseline/cluster");
  // The cache remembers for a while which results it lacks, so each look opens it again.
  const openCache = async () => {
    const warn = (diagnostic: Diagnostic) => emit({ type: "warning", diagnostic });
    return (await openCacheFor({ cache: cluster.settings.cache, cacheMode: "read-write" }, warn, stop))!;
  };
  const say = (message: string) => emit({ type: "note", message });
  const ended = new Map<string, StageEndState>();
  const command = (name: string, ...more: string[]) => `\`${commandFor(name, { ...pipeline, store }, ...more)}\``;
  const [back, end] = [command("run", ...named, "--on", cluster.name), command("cancel", "--on", cluster.name)];
  const leave = `the jobs go on; ${back} comes back to them, ${end} ends them`;
  let plan: Plan | undefined;
  for (let tries = 1;; tries++) {
    const givenUp = new Set(ended.keys().map((id) => plan!.actions.get(id)!.recipeKey));
    const submitted = await submitPipeline(pipeline, store, {
      ...asked,
      ...{ queue, say, stop, givenUp },
      cache: await openCache(),
      replaceQueued: options.replaceQueued ?? false,
    });
    if (!submitted.ok) {
      if (stop.aborted) throw new Exit(EXIT.interrupted);
      const { diagnostics } = submitted;
      // The queue failed; jobs that were queued before continue.
      if (diagnostics.some(({ code }) => code === "machine")) failWith(diagnostics);
      refuseWith(diagnostics);
    }
    plan ??= submitted.value.plan;
    if (options.detach && submitted.value.tracked.length > 0) {
      say(leave);
      throw new Exit(EXIT.done);
    }
    const watched = await watchJobs(submitted.value, { queue, say, stop, emit });
    for (const [id, state] of watched.ended) if (state === "failed" || state === "blocked") ended.set(id, state);
    if (stop.aborted) {
      say(leave);
      throw new Exit(EXIT.interrupted);
    }
    if (watched.gone) fail(`the cache folder ${watched.gone} stays away`, `mount it, then go on: ${back}`);
    if (!watched.lost) break;
    if (tries > cluster.settings.restarts) {
      fail("jobs are lost again and again", "ask those who run the cluster, then run again");
    }
  }
  const cache = await openCache();
  const targets = [...plan.stages.keys()].filter((id) => !ended.has(id));
  const now = await makePlanner({ pipeline: plan.pipeline, store }, { targets, cache, remote: true }).plan();
  const open = now.stages.values().filter(mayRun);
  for (const { id } of open) if (plan.stages.has(id) && !ended.has(id)) ended.set(id, "blocked");
  const done = targets.filter((id) => !ended.has(id));
  if (done.length === 0) {
    const { name } = pipeline;
    const { countEnds } = await importLate<typeof import("noiseline/engine")>("noiseline/engine");
    const [counts, durationMs] = [countEnds(ended, plan), performance.now() - started];
    emit({ type: "run-finished", pipeline: name, status: "failed", counts, durationMs, runId: undefined, earlier: [] });
    throw new Exit(EXIT.failed);
  }
  const again = command("run", ...named, "--cache", cluster.settings.cache);
  const fix = `${again}, where you may compute, makes it again and replaces it`;
  // To people, an action that was blocked is only a part of its stage.
  const told = new Map([...ended].filter(([id, state]) => state === "failed" || plan.stages.has(id)));
  return { targets: done, cache, executor: executorOfJobs(told, fix) };
}
