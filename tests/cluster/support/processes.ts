import { isAlive, killIfThere } from "../../support/proc.ts";

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function links(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => Deno.readLinkSync(`${folder}/${name}`));
  } catch {
    return [];
  }
}

/**
 * Finds the processes of a cluster: by their environment, which jobs inherit; Slurm's own processes overwrite their
 * environment, so they are found by their open log.
 */
function processesOf(folder: string): number[] {
  const pids = Array.from(Deno.readDirSync("/proc"), ({ name }) => Number(name)).filter(Number.isInteger);
  return pids.filter((pid) =>
    pid !== Deno.pid && isAlive(pid) && (
      read(`/proc/${pid}/environ`).includes(`=${folder}/`) ||
      read(`/proc/${pid}/comm`).startsWith("slurm") &&
        links(`/proc/${pid}/fd`).some((to) => to.startsWith(`${folder}/`))
    )
  );
}

/** Kills the jobs on a node and all of Slurm's processes there, as if the node lost its power. */
export function killNodeOf(folder: string, node: string): void {
  for (const pid of processesOf(folder)) {
    const isOf = read(`/proc/${pid}/environ`).includes(`SLURMD_NODENAME=${node}\0`) ||
      links(`/proc/${pid}/fd`).includes(`${folder}/log/slurmd.${node}.log`);
    if (isOf) killIfThere(pid);
  }
}

/** Kills everything that a cluster has started, including jobs whose node was lost, which nothing else knows about. */
export async function killAllOf(folder: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (let found = processesOf(folder); found.length > 0; found = processesOf(folder)) {
    if (performance.now() > deadline) throw new Error(`processes ${found.join(", ")} do not go`);
    found.forEach(killIfThere);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
