import { isAlive } from "../../support/proc.ts";

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

/** Kill what a cluster has started, jobs whose node was lost among them: nobody else knows those. */
export async function killAllOf(folder: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (let found = processesOf(folder); found.length > 0; found = processesOf(folder)) {
    if (performance.now() > deadline) throw new Error(`processes ${found.join(", ")} do not go`);
    for (const pid of found) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
