import { userInfo } from "node:os";
import { isLive, type JobNeeds, type QueueFacts } from "../queue.ts";
import { ask, askTable } from "./ask.ts";
import { secondsOf, stateOf } from "./words.ts";

/** Returns the minutes of `1-02:30:00`, `30:00` and such; any other text means no limit. */
export function minutesOf(limit: string): number {
  return secondsOf(limit) / 60 || Infinity;
}

/** Asks for the partitions' nodes by kind, with the size of each. */
export async function askPartitions() {
  const table = await askTable("sinfo", ["--all", "--exact"], ["%P", "%M", "%l", "%a", "%D", "%c", "%m", "%G"]);
  if ("silent" in table) return table;
  return table.rows.map(([marked, whenPreempted, limit, open, nodes, cpus, memory, gpus]) => {
    const [name, isDefault] = [marked.replace(/\*$/, ""), marked.endsWith("*")];
    const line = `${name}${isDefault ? " (default)" : ""}: ${nodes} node${nodes === "1" ? "" : "s"} of ${cpus} ` +
      `processors, ${memory} MiB${gpus === "(null)" ? "" : `, ${gpus}`}; time limit ${limit}` +
      (open === "up" ? "" : `; ${open}`);
    const cards = gpus.matchAll(/\bgpu(?::[^:,()]+)?:(\d+)/g).reduce((sum, [, count]) => sum + Number(count), 0);
    const size = { cpus: Number(cpus), memoryMiB: Number(memory), gpus: cards };
    return { name, isDefault, minutes: minutesOf(limit), whenPreempted, ...size, line };
  });
}

type Size = Pick<JobNeeds, "cpus" | "memoryMiB" | "gpus">;

/** Returns true if nodes are large enough for a job. */
export function holds(nodes: Record<keyof Size, number>, { cpus, memoryMiB = 0, gpus }: Size): boolean {
  return cpus <= nodes.cpus && memoryMiB <= nodes.memoryMiB && gpus <= nodes.gpus;
}

/** Returns true if a node of some partitions can take no job now, and may later. */
export async function isAnyAway(partitions: readonly string[]): Promise<boolean> {
  const table = await askTable("sinfo", [`--partition=${partitions.join()}`], ["%T", "%N"]);
  return "rows" in table && table.rows.some(([state]) => !/^(idle|mixed|allocated|completing|planned)$/.test(state));
}

/**
 * Returns the most jobs that one user may have in the queue: the smallest limit of accounting; Infinity if there is
 * none.
 */
async function submitLimit(cluster: string, { account, qos }: Pick<JobNeeds, "account" | "qos">): Promise<number> {
  const user = userInfo().username;
  const show = async (what: string[], fields: string[]) => {
    const { stdout } = await ask("sacctmgr", ["--noheader", "--parsable2", "show", ...what, `format=${fields.join()}`]);
    return stdout.split("\n").map((line) => line.split("|")).filter(({ length }) => length === fields.length);
  };
  const charged = account ?? (await show(["user", user], ["DefaultAccount", "User"]))[0]?.[0] ?? "";
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
  as: Pick<JobNeeds, "account" | "qos"> = {},
): Promise<QueueFacts | { readonly silent: string }> {
  const shown = await ask("scontrol", ["show", "config"]);
  if (!shown.ok) return { silent: shown.said };
  const config = Object.fromEntries(
    [...shown.stdout.matchAll(/^(\w+) *= (.*)$/gm)].map(([, name, value]) => [name, value!.trim()]),
  );
  // This is the last of the values that are read here: without it the answer is cut off.
  if (config.SLURM_VERSION === undefined) return { silent: "what scontrol answers is not whole" };
  const partitions = await askPartitions();
  if ("silent" in partitions) return partitions;
  const queue = await askTable("squeue", ["--array", "--states=all"], ["%T", "%U"]);
  if ("silent" in queue) return queue;
  // The controller counts ended jobs as long as it remembers them, accounting does not.
  const all = queue.rows;
  const own = all.filter(([word, uid]) => Number(uid) === Deno.uid() && isLive({ state: stateOf(word) })).length;
  const limited = /limits|safe/.test(config.AccountingStorageEnforce ?? "");
  const most = limited ? await submitLimit(config.ClusterName ?? "", as) : Infinity;
  // A partition's own mode counts only where partitions decide which jobs give way.
  const { PreemptType = "", PreemptMode = "", MaxJobCount, MaxArraySize, SLURM_VERSION } = config;
  const modeOf = (own: string) => PreemptType.endsWith("/partition_prio") ? own : PreemptMode;
  const cancelling = partitions.filter((one) => modeOf(one.whenPreempted).includes("CANCEL"));
  return {
    version: SLURM_VERSION,
    maxArray: Number(MaxArraySize ?? 1),
    room: Math.max(0, Math.min(Number(MaxJobCount ?? 10_000) - 1 - all.length, most - own)),
    cancelsPreempted: new Set(cancelling.map(({ name }) => name)),
    defaultPartition: partitions.find(({ isDefault }) => isDefault)?.name,
    partitions: partitions.map(({ line }) => line),
  };
}
