import { userInfo } from "node:os";
import type { JobNeeds, QueueFacts } from "../queue.ts";
import { ask, BETWEEN, fieldsOf } from "./ask.ts";
import { stateOf } from "./words.ts";

/** A line of `Name=value` pairs. */
function pairsOf(line: string): Record<string, string> {
  return Object.fromEntries([...line.matchAll(/(\w+)=(\S*)/g)].map(([, name, value]) => [name, value]));
}

/** The partitions, as `scontrol` tells; what it said instead where it does not. */
export async function askPartitions(): Promise<Record<string, string>[] | string> {
  const { ok, stdout, said } = await ask("scontrol", ["show", "partition", "--oneliner"]);
  return ok ? stdout.split("\n").map(pairsOf).filter(({ PartitionName }) => PartitionName !== undefined) : said;
}

/** Partitions for people: one line for each kind of node. */
export async function describePartitions(): Promise<string[]> {
  const format = ["%P", "%a", "%D", "%c", "%m", "%G", "%l"].join(BETWEEN);
  const { stdout } = await ask("sinfo", ["--noheader", "--exact", `--format=${format}`]);
  return fieldsOf(stdout, 7).map(([name, open, nodes, cpus, memory, gpus, limit]) =>
    `${name!.replace(/\*$/, " (default)")}: ${nodes} nodes, each ${cpus} processors, ${memory} MiB` +
    `${gpus === "(null)" ? "" : `, ${gpus}`}; time limit ${limit}${open === "up" ? "" : `; ${open}`}`
  );
}

/** `1-02:30:00` and such; undefined where there is no limit. */
export function minutesOf(limit: string): number | undefined {
  const parts = /^(?:(\d+)-)?(\d+):(\d+):(\d+)$/.exec(limit)?.slice(1).map((part) => Number(part ?? 0));
  return parts === undefined ? undefined : parts[0]! * 1440 + parts[1]! * 60 + parts[2]! + parts[3]! / 60;
}

/** The smallest number of jobs that one user may have in the queue, by what accounting says; nothing it does not say. */
async function submitLimit(cluster: string, { account, qos }: Pick<JobNeeds, "account" | "qos">): Promise<number> {
  const user = userInfo().username;
  const show = async (what: string[], fields: string[]) => {
    const { stdout } = await ask("sacctmgr", ["--noheader", "--parsable2", "show", ...what, `format=${fields.join()}`]);
    return stdout.split("\n").map((line) => line.split("|")).filter(({ length }) => length === fields.length);
  };
  const charged = account ?? (await show(["user", user], ["DefaultAccount", "User"]))[0]?.[0];
  if (charged === undefined) return Infinity;
  const fields = ["User", "DefaultQOS", "QOS", "MaxSubmitJobs", "GrpSubmitJobs"];
  const rows = (await show(["assoc", `account=${charged}`, `cluster=${cluster}`], fields))
    .filter(([name]) => name === user || name === "");
  const [, preset, several] = rows.find(([name]) => name === user) ?? [];
  const quality = qos ?? (preset || several || "normal").split(",")[0]!;
  const limits = await show(["qos", quality], ["MaxSubmitJobsPerUser", "MaxSubmitJobsPerAccount", "GrpSubmitJobs"]);
  const numbers = [...rows.map((row) => row.slice(3)), ...limits].flat().filter((text) => /^\d+$/.test(text!));
  return Math.min(Infinity, ...numbers.map(Number));
}

/** See `Queue.describe`. */
export async function describeCluster(
  as: Pick<JobNeeds, "account" | "qos">,
): Promise<QueueFacts | { readonly silent: string }> {
  const shown = await ask("scontrol", ["show", "config"]);
  if (!shown.ok) return { silent: shown.said };
  const config = Object.fromEntries(
    [...shown.stdout.matchAll(/^(\w+) *= (.*)$/gm)].map(([, name, value]) => [name, value!.trim()]),
  );
  const partitions = await askPartitions();
  if (typeof partitions === "string") return { silent: partitions };
  const format = `%T${BETWEEN}%U`;
  const queue = await ask("squeue", ["--noheader", "--array", "--states=all", `--format=${format}`]);
  if (!queue.ok) return { silent: queue.said };
  // Ended jobs count for the controller as long as it remembers them, for accounting they do not.
  const all = fieldsOf(queue.stdout, 2);
  const own =
    all.filter(([word, uid]) => Number(uid) === Deno.uid() && ["waiting", "running", "ending"].includes(stateOf(word!)))
      .length;
  const limited = /limits|safe/.test(config.AccountingStorageEnforce ?? "");
  const most = limited ? await submitLimit(config.ClusterName ?? "", as) : Infinity;
  // Partitions have a mode of their own only where they decide who gives way.
  const { PreemptType, PreemptMode = "" } = config;
  const modes: Record<string, (partition: string) => string> = {
    "preempt/partition_prio": (own) => own,
    "preempt/qos": () => PreemptMode,
  };
  const isCancelled = (partition: Record<string, string>) =>
    modes[PreemptType ?? ""]?.(partition.PreemptMode ?? "").includes("CANCEL") === true;
  const maxJobs = Number(config.MaxJobCount ?? 10_000);
  return {
    version: config.SLURM_VERSION ?? "",
    maxArray: Number(config.MaxArraySize ?? 1),
    room: Math.max(0, Math.min(maxJobs - 1 - all.length, most - own)),
    cancelsPreempted: new Set(partitions.filter(isCancelled).map(({ PartitionName }) => PartitionName!)),
    defaultPartition: partitions.find(({ Default }) => Default === "YES")?.PartitionName,
    partitions: await describePartitions(),
  };
}
