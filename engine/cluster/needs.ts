import type { ClusterFile } from "../../schemas/cluster_file.ts";
import type { Resources } from "../../schemas/pipeline_file.ts";
import { suggestName } from "../../std/did_you_mean.ts";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import { diagnosticAt, type Origins } from "../diagnostic/document.ts";
import type { Action } from "../keys/action.ts";
import { slotsOf } from "../plan/wanted_slots.ts";
import { gpuCount, type Stage, withThreads } from "../keys/stage.ts";
import { parseMemory } from "../process/runtime.ts";
import type { Cluster } from "./cluster_file.ts";
import type { JobNeeds } from "./queue.ts";

/**
 * Memory for the process that watches the stage's own process, in MiB: a stage's `memory` limits only its own process.
 */
const WATCHER_MIB = 512;

/** How long before its time limit a job is told to save. Slurm is late by up to a minute. */
const WARN_SECONDS = 120;

/**
 * Returns the resources that a stage takes: those that it declares, else those of the cluster's file for its kind or
 * for all kinds, else those of its kind.
 */
function resourcesOn({ kind, declared }: Stage, { resources, kinds }: ClusterFile): Resources {
  return { ...kind.resources, ...resources, ...kinds[kind.name]?.resources, ...declared };
}

/** Returns what the job of an action needs. */
export function needsOf(action: Pick<Action, "do" | "stage">, settings: ClusterFile): JobNeeds {
  const { stage } = action;
  const { cpu = 1, memory, nodes = 1, ...slots } = slotsOf({
    ...action,
    stage: { ...stage, resources: resourcesOn(stage, settings) },
  });
  const own = settings.kinds[stage.kind.name];
  const { time, partition, account, qos } = { ...settings, ...own };
  const limitMs = stage.timeoutMs ?? time;
  return {
    cpus: Math.max(1, cpu),
    gpus: gpuCount(slots),
    ...nodes > 1 && { nodes },
    memoryMiB: memory === undefined ? undefined : Math.ceil(parseMemory(memory) / (1 << 20)) + WATCHER_MIB,
    minutes: limitMs === undefined ? undefined : Math.ceil(limitMs / 60_000),
    ...{ partition, account, qos },
    // If an option is given twice, the last one counts.
    options: [...settings.sbatch ?? [], ...own?.sbatch ?? []],
  };
}

/**
 * Returns the stage as its job runs it: with the resources of the job, and as many threads as the job has processors.
 * The time limit of the job serves as the stage's timeout, after which the stage continues in the next job.
 */
export function withJobResources(stage: Stage, settings: ClusterFile): Stage {
  const resources = resourcesOn(stage, settings);
  const { cpus } = needsOf({ do: "compute", stage }, settings);
  return { ...stage, resources: { ...resources, cpu: cpus }, params: withThreads(stage, cpus), timeoutMs: undefined };
}

/** Returns how many seconds before its end a job is told of it: fewer if the whole job is short. */
export function warnSecondsOf({ minutes }: JobNeeds): number {
  return minutes === undefined ? WARN_SECONDS : Math.min(WARN_SECONDS, Math.floor(minutes * 60 / 5));
}

/** Keys of a cluster's file that a refusal may be about, by the queue's words; all other words are about sizes. */
const CAUSES = [
  ["qos", /\bqos\b/i],
  ["account", /\baccount\b/i],
  ["partition", /invalid partition/i],
  ["time", /time limit/i],
  ["sbatch", /option|feature/i],
] as const;

/** Describes needs to people, as `2 CPUs, 1.5 GiB, 1 GPU, 90 min`. */
function describeNeeds({ cpus, gpus, nodes, memoryMiB, minutes }: JobNeeds): string {
  const count = (n: number, what: string) => n === 0 ? "" : `${n} ${what}${n === 1 ? "" : "s"}`;
  const memory = memoryMiB === undefined ? "" : `${Number((memoryMiB / 1024).toFixed(1))} GiB`;
  const time = minutes === undefined ? "" : minutes % 60 === 0 ? `${minutes / 60} h` : `${minutes} min`;
  const where = nodes === undefined ? "" : `${nodes} nodes, each with `;
  return where + [count(cpus, "CPU"), memory, count(gpus, "GPU"), time].filter(Boolean).join(", ");
}

/**
 * Returns the error for a stage whose job the queue refuses, at the place that asks for it: in the stage itself, or
 * else in the cluster's file.
 */
export function queueRefusalError(
  refused: string,
  { id, entry, kind, declared, timeoutMs }: Stage,
  needs: JobNeeds,
  { name, file, settings, origins, partitions, stages }: Cluster & {
    readonly partitions: readonly string[];
    readonly stages: Origins;
  },
): Diagnostic {
  const cause = CAUSES.find(([, pattern]) => pattern.test(refused))?.[0] ?? "resources";
  const says = (one: object | undefined) => one !== undefined && cause in one;
  const isOwn = cause === "time" ? timeoutMs !== undefined : cause === "resources" && Object.keys(declared).length > 0;
  const own = settings.kinds[kind.name];
  const path = says(own) ? ["kinds", kind.name, cause] : [cause];
  const known = partitions.map((line) => line.replace(/[ :].*$/s, ""));
  const { partition = "" } = needs;
  const fix = cause === "partition" ? suggestName(partition, known) : `change what it asks for, or ${file}`;
  const said = { got: cause === "partition" ? partition : describeNeeds(needs), wanted: partitions.join("\n") };
  const message = `Cluster "${name}" cannot take stage "${id}": ${refused}`;
  return !isOwn && (says(own) || says(settings))
    ? diagnosticAt(origins, path, message, fix, said)
    : diagnosticAt(stages, ["stages", entry, cause === "time" ? "timeout" : cause], message, fix, said);
}
