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
 * Processes of a cluster: by their environment, which jobs inherit, and those of Slurm by the log that they have open,
 * since they write over their environment.
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

/** Kill the jobs on a node with all that Slurm has there, as a node does that loses its power. */
export function killNodeOf(folder: string, node: string): void {
  for (const pid of processesOf(folder)) {
    const isOf = read(`/proc/${pid}/environ`).includes(`SLURMD_NODENAME=${node}\0`) ||
      links(`/proc/${pid}/fd`).includes(`${folder}/log/slurmd.${node}.log`);
    if (isOf) killIfThere(pid);
  }
}

/** Kill what a cluster has started, jobs whose node was lost among them: nobody else knows those. */
export async function killAllOf(folder: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (let found = processesOf(folder); found.length > 0; found = processesOf(folder)) {
    if (performance.now() > deadline) throw new Error(`processes ${found.join(", ")} do not go`);
    found.forEach(killIfThere);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
