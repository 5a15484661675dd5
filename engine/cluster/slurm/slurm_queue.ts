import {
  JOB_PREFIX,
  type JobNeeds,
  type JobRequest,
  type OwnJob,
  type Queue,
  type QueueFacts,
  type QueueView,
  type Submitted,
} from "../queue.ts";
import { submitArguments, testArguments } from "./arguments.ts";
import { ask, BETWEEN, fieldsOf } from "./ask.ts";
import { askPartitions, describeCluster, describePartitions, minutesOf } from "./facts.ts";
import { reasonOf, stateOf, troubleOf } from "./words.ts";

/** `8`, or `8_3` for the child of an array. */
const ID = /^\d{1,10}(_\d{1,10})?$/;

/** Ids in one call of `scancel`, far below what a command line may hold. */
const AT_ONCE = 1_000;

/** Children of arrays by the array's id: the last child has that as an id of its own too. */
const idOf = (job: string, child: string) => /^\d+$/.test(child) ? `${job}_${child}` : job;

/** Slurm by its commands alone; written for 22.05 and later. Works without accounting. */
export class SlurmQueue implements Queue {
  async test(request: JobRequest): Promise<string | undefined> {
    const { ok, said } = await ask("sbatch", testArguments(request), { stdin: request.script });
    const refused = ok ? await overTime(request.needs) : said;
    if (refused === undefined) return undefined;
    const there = await describePartitions();
    return there.length === 0 ? refused : `${refused}; there is\n${there.map((line) => `  ${line}`).join("\n")}`;
  }

  async submit(request: JobRequest): Promise<Submitted> {
    // At its limit of jobs the controller says so, and sbatch would try again for two minutes.
    const hopeless = /temporarily unable to accept job/;
    const { stdout, said } = await ask("sbatch", submitArguments(request), { stdin: request.script, hopeless });
    const id = /^(\d+)(?:;[^\n]*)?$/m.exec(stdout)?.[1];
    return id === undefined ? { trouble: troubleOf(said), message: said } : { id };
  }

  async poll(): Promise<QueueView> {
    const format = ["%F", "%K", "%T", "%r", "%N", "%j", "%k"].join(BETWEEN);
    const { ok, stdout, said } = await ask("squeue", [
      "--noheader",
      "--me",
      "--array",
      "--states=all",
      `--format=${format}`,
    ]);
    if (!ok) return { silent: said };
    const jobs = fieldsOf(stdout, 7).filter(([job, , , , , name]) => ID.test(job!) && name!.startsWith(JOB_PREFIX));
    return {
      jobs: jobs.map((fields) => {
        const [job, child, word, reason, node, name, comment] = fields as [string, string, string, ...string[]];
        return {
          id: idOf(job, child),
          name: name!,
          comment: comment === "(null)" ? "" : comment!,
          state: stateOf(word),
          word,
          reason: reasonOf(reason!),
          node: node!,
        };
      }),
    };
  }

  async isQueued(id: string): Promise<boolean | undefined> {
    if (!ID.test(id)) return false;
    const args = ["--noheader", "--array", "--states=all", `--jobs=${id}`, "--format=%T"];
    const { ok, stdout, said } = await ask("squeue", args);
    if (!ok) return /invalid job id/i.test(said) ? false : undefined;
    const states = stdout.split("\n").filter((word) => word !== "").map((word) => stateOf(word.trim()));
    return states.some((state) => state === "waiting" || state === "running" || state === "ending");
  }

  async cancel(ids: readonly string[]): Promise<string | undefined> {
    const valid = ids.filter((id) => ID.test(id));
    for (let at = 0; at < valid.length; at += AT_ONCE) {
      const { ok, said } = await ask("scancel", valid.slice(at, at + AT_ONCE));
      // One that has ended meanwhile is cancelled enough, and the others were cancelled with it.
      if (!ok && !/invalid job id/i.test(said)) return said;
    }
    return undefined;
  }

  describe(as: Pick<JobNeeds, "account" | "qos"> = {}): Promise<QueueFacts | { readonly silent: string }> {
    return describeCluster(as);
  }

  own(): OwnJob | undefined {
    const numberOf = (name: string) => /^\d{1,10}$/.exec(Deno.env.get(`SLURM_${name}`) ?? "")?.[0];
    const [job, array, child] = [numberOf("JOB_ID"), numberOf("ARRAY_JOB_ID"), numberOf("ARRAY_TASK_ID")];
    if (job === undefined) return undefined;
    const isChild = array !== undefined && child !== undefined;
    return {
      id: isChild ? `${array}_${child}` : job,
      child: isChild ? Number(child) : undefined,
      attempt: Number(numberOf("RESTART_COUNT") ?? 0),
    };
  }

  async requeueOwn(): Promise<string | undefined> {
    const own = this.own();
    if (own === undefined) return "this process is no job";
    const { ok, said } = await ask("scontrol", ["requeue", own.id]);
    return ok ? undefined : said;
  }
}

/** Slurm takes a job whose time limit is above the partition's, and never starts it. Some qualities may exceed it. */
async function overTime({ minutes, partition, qos }: JobNeeds): Promise<string | undefined> {
  if (minutes === undefined || qos !== undefined) return undefined;
  const partitions = await askPartitions();
  if (typeof partitions === "string") return partitions;
  const asked = partitions.filter(({ PartitionName, Default }) =>
    partition === undefined ? Default === "YES" : partition.split(",").includes(PartitionName!)
  );
  if (asked.length === 0 || asked.some(({ MaxTime = "" }) => minutes <= (minutesOf(MaxTime) ?? Infinity))) {
    return undefined;
  }
  return `a time limit of ${minutes} minutes is above the partition's`;
}
