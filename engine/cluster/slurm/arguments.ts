import type { JobNeeds, JobOrder, JobRequest } from "../queue.ts";

/** Writes numbers in Slurm's form: `0-3,7`. */
export function rangesOf(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && number <= last[1] + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => from === to ? `${from}` : `${from}-${to}`).join(",");
}

function dependencyOf({ afterOk = [], afterChild = [], afterAny = [], afterFailureOfAny = [], singleton }: JobOrder) {
  const all = [["afterok", afterOk], ["aftercorr", afterChild], ["afterany", afterAny]] as const;
  const each = all.filter(([, ids]) => ids.length > 0).map(([how, ids]) => [how, ...ids].join(":"));
  if (singleton) each.push("singleton");
  const any = afterFailureOfAny.map((id) => `afternotok:${id}`);
  // Slurm takes either `,` or `?` in one list. Two jobs of the same name are rare, and a job that never starts would be
  // worse.
  if (any.length > 1 && each.length > 0) throw new Error("Slurm cannot wait for one of some jobs and for others too");
  return any.length > 1 ? any.join("?") : [...each, ...any].join(",");
}

/**
 * Returns the options for a job's needs. The user's own options come first, as the last of the same kind counts: they
 * may add options, but not override those that are relied on.
 */
function needsArguments(needs: JobNeeds): string[] {
  const { cpus, gpus, nodes = 1, memoryMiB, minutes, partition, account, qos, options } = needs;
  const given = { partition, account, qos, time: minutes, mem: memoryMiB === undefined ? undefined : `${memoryMiB}M` };
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return [
    ...options,
    `--nodes=${nodes}`,
    `--ntasks=${nodes}`,
    ...nodes > 1 ? ["--ntasks-per-node=1"] : [],
    `--cpus-per-task=${cpus}`,
    ...gpus > 0 ? [`--gres=gpu:${gpus}`] : [],
    ...set.map(([name, value]) => `--${name}=${value}`),
  ];
}

/** Returns the options of `sbatch` for a job. */
export function submitArguments(request: JobRequest): string[] {
  const { name, comment, order, array, log, folder, warnSeconds, delaySeconds } = request;
  const dependency = dependencyOf(order);
  return [
    ...needsArguments(request.needs),
    "--parsable",
    "--requeue",
    "--open-mode=append",
    "--kill-on-invalid-dep=yes",
    `--job-name=${name}`,
    `--comment=${comment}`,
    `--chdir=${folder}`,
    // Slurm replaces `%` and the character after it.
    `--output=${log === undefined ? "/dev/null" : log.replaceAll("%", "%%") + (array === undefined ? "" : ".%a")}`,
    ...dependency === "" ? [] : [`--dependency=${dependency}`],
    ...array === undefined
      ? []
      : [`--array=${rangesOf(array.children)}${array.atOnce === undefined ? "" : `%${array.atOnce}`}`],
    ...warnSeconds === undefined ? [] : [`--signal=B:USR2@${warnSeconds}`],
    ...delaySeconds === undefined ? [] : [`--begin=now+${delaySeconds}`],
  ];
}
