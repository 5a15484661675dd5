import { definedOnly } from "../../../std/defined_only.ts";
import { cutText, printable } from "../../diagnostic/format.ts";
import { JOB_PREFIX, type JobRequest, type OwnJob, type Queue, type QueueView, type Submitted } from "../queue.ts";
import { findProgram } from "../../process/programs.ts";
import type { Spread } from "../../process/start_program.ts";
import { submitArguments } from "./arguments.ts";
import { ask, askTable } from "./ask.ts";
import { askPartitions, describeCluster, holds, isAnyAway } from "./facts.ts";
import { reasonOf, releaseOf, secondsOf, stateOf, troubleOf } from "./words.ts";

/** `8`, or `8_3` for the child of an array. */
const ID = /^\d{1,10}(_\d{1,10})?$/;

/** Variables that the other nodes of a job get: those that find programs and folders, Slurm's, and of their network. */
const SEEN_BY_NODES =
  /^(PATH|HOME|USER|LOGNAME|TMPDIR|LD_LIBRARY_PATH|DENO_DIR|XDG_.*|SLURM.*|CUDA_.*|(NCCL|GLOO|UCX|FI)_.*)$/;

/** Returns the id of a job, for a child with the array's id: the last child has the array's id as its own too. */
const idOf = (job: string, child: string) => /^\d+$/.test(child) ? `${job}_${child}` : job;

/** Slurm's queue, by its commands alone; written for 22.05 and later. Works without accounting. */
export class SlurmQueue implements Queue {
  readonly describe = describeCluster;

  async test(request: JobRequest): Promise<{ readonly refused?: string } | { readonly silent: string }> {
    const { needs: { minutes = 0, partition, qos, ...needs }, script } = request;
    const { ok, said, spoke } = await ask("sbatch", ["--test-only", ...submitArguments(request)], { stdin: script });
    if (!ok && (!spoke || troubleOf(said) === "silent")) return { silent: said };
    const all = await askPartitions();
    if ("silent" in all) return all;
    const asked = all.filter((one) =>
      partition === undefined ? one.isDefault : partition.split(",").includes(one.name)
    );
    if (!ok) {
      // In a test, Slurm leaves out nodes that are down or drained just now; a real job would wait for them.
      const waits = /configuration is not available/i.test(said) && asked.some((one) => holds(one, needs)) &&
        await isAnyAway(asked.map(({ name }) => name));
      if (!waits) return { refused: said };
    }
    // Slurm takes a job whose time limit is above the partition's, and never starts it. Some qualities of service may
    // exceed that limit.
    const never = qos === undefined && asked.length > 0 && asked.every((one) => minutes > one.minutes);
    return never ? { refused: `a time limit of ${minutes} minutes is above the partition's` } : {};
  }

  async submit(request: JobRequest): Promise<Submitted> {
    // At its limit of jobs the controller says so, and sbatch would try again for two minutes.
    const hopeless = /sleeping and retrying/;
    const { ok, stdout, said, spoke } = await ask("sbatch", submitArguments(request), {
      ...{ stdin: request.script, hopeless },
    });
    const [id, ...more] = stdout.matchAll(/^([1-9]\d{0,9})(?:;[^\n]*)?\n/gm).map((match) => match[1]!);
    if (ok && id !== undefined && more.length === 0) return { id };
    // Without a number or a sentence of Slurm's, it is unknown what became of the job.
    const message = said || `sbatch gives no number of a job, but: ${cutText(printable(stdout))}`;
    return { trouble: spoke ? troubleOf(said) : "silent", message };
  }

  async poll(): Promise<QueueView> {
    const args = ["--me", "--array", "--states=all"];
    const table = await askTable("squeue", args, ["%F", "%K", "%T", "%r", "%N", "%M", "%j", "%k"]);
    if ("silent" in table) return table;
    const jobs = table.rows.map(([job, child, word, reason, node, time, name, comment]) => ({
      id: idOf(job, child),
      name,
      comment,
      state: stateOf(word),
      word,
      reason: reasonOf(reason),
      node,
      seconds: secondsOf(time),
      ...definedOnly({ release: releaseOf(reason) }),
    }));
    return { jobs: jobs.filter(({ id, name }) => ID.test(id) && name.startsWith(JOB_PREFIX)) };
  }

  async cancel(ids: readonly string[]): Promise<string | undefined> {
    const valid = ids.filter((id) => ID.test(id));
    if (valid.length === 0) return undefined;
    const { ok, said } = await ask("scancel", valid);
    // A job that has ended meanwhile needs no cancelling, and the others were cancelled all the same.
    return ok || /invalid job id/i.test(said) ? undefined : said;
  }

  own(): OwnJob | undefined {
    const numberOf = (name: string) => /^\d{1,10}$/.exec(Deno.env.get(`SLURM_${name}`) ?? "")?.[0];
    const [job, array, child] = [numberOf("JOB_ID"), numberOf("ARRAY_JOB_ID"), numberOf("ARRAY_TASK_ID")];
    const id = array !== undefined && child !== undefined ? `${array}_${child}` : job;
    return id === undefined ? undefined : { id, attempt: Number(numberOf("RESTART_COUNT") ?? 0) };
  }

  spread(nodes: number, command: readonly string[]): Spread {
    const all = Object.entries(Deno.env.toObject());
    const cpus = Deno.env.get("SLURM_CPUS_PER_TASK") ?? "1";
    const each = [`--nodes=${nodes}`, `--ntasks=${nodes}`, "--ntasks-per-node=1", `--cpus-per-task=${cpus}`];
    return {
      ...{ nodes, names: { node: "SLURM_NODEID", address: "SLURM_LAUNCH_NODE_IPADDR" } },
      argv: [findProgram("srun", "/") ?? "/usr/bin/srun", ...each, "--mpi=none", "--kill-on-bad-exit=1", ...command],
      env: Object.fromEntries(all.filter(([name]) => SEEN_BY_NODES.test(name))),
    };
  }

  async requeueOwn(): Promise<string | undefined> {
    const own = this.own();
    if (own === undefined) return "this process is no job";
    const { ok, killed, said } = await ask("scontrol", ["requeue", own.id]);
    // The queue may end this job, and the command with it, before the command has reported its success.
    return ok || killed ? undefined : said;
  }
}

/** The queue that commands and jobs ask. It keeps no state: Slurm has it. */
export const QUEUE: Queue = new SlurmQueue();
