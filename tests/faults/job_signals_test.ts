import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import type { JobEnd } from "../../schemas/cluster_records.ts";
import { cachedDigests, execute, submit, ToldQueue } from "../support/cluster.ts";
import { CLONE } from "../support/cli_process.ts";
import { forEachOf } from "../support/faults/tally.ts";
import { childrenOf, isAlive } from "../support/proc.ts";
import { Project } from "../support/project.ts";

const FILE = `name: demo
stages:
  stroll: { uses: ./stroll.ts, with: { steps: 6, text: a, pauseMs: 300 } }
`;

/** A `squeue` that reports the job that calls it as ending: one line of its table. */
const SQUEUE = `#!/bin/sh
printf 'A\\037B\\037C\\037D\\037E\\037F\\037G\\037H\\036\\n7\\037N/A\\037COMPLETING\\037None\\037n1\\0370:05\\037noiseline-x\\037c\\036\\n'
`;

/** Returns a job's processes, its own first. */
function processesOf(pid: number): number[] {
  try {
    return [pid, ...childrenOf(pid).flatMap(processesOf)];
  } catch {
    return [];
  }
}

function commandsOf(pids: readonly number[]): string {
  return pids.map((pid) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/cmdline`);
    } catch {
      return "";
    }
  }).join("\n");
}

function hasBelow(folder: string, name: RegExp): boolean {
  try {
    return [...Deno.readDirSync(folder)].some((one) =>
      name.test(one.name) || (one.isDirectory && hasBelow(join(folder, one.name), name))
    );
  } catch {
    return false;
  }
}

interface Seen {
  readonly pids: readonly number[];
  readonly cache: string;
  readonly folder: string;
}

/** Moments in the life of a job, by what can be seen of it from outside. */
const MOMENTS: Readonly<Record<string, (seen: Seen) => boolean>> = {
  "before Deno starts": ({ pids }) => pids.length > 0,
  "while Deno starts": ({ pids }) => /main\.ts/.test(commandsOf(pids)),
  "once it is on record": ({ folder }) => hasBelow(join(folder, "ends"), /\.start$/),
  "while its code is described": ({ pids }) => /describeFile\.ts/.test(commandsOf(pids)),
  "while its stage is loaded": ({ pids }) => /serveStage\.ts/.test(commandsOf(pids)),
  "after its first state": ({ cache }) => hasBelow(join(cache, "cluster/states"), /^step-\d+$/),
  "while its result is sent": ({ cache }) => hasBelow(join(cache, "v1"), /^[0-9a-f]{64}$/),
};
/** The order in which the queue signals the processes of a job is arbitrary. */
const ORDERS = ["its own process first", "its children first"] as const;

function endsIn(folder: string): JobEnd[] {
  const ends = join(folder, "ends");
  const names = [...Deno.readDirSync(ends)].map(({ name }) => name).filter((name) => name.endsWith(".json"));
  return names.map((name) => JSON.parse(Deno.readTextFileSync(join(ends, name))));
}

async function reference(): Promise<unknown> {
  await using project = new Project({ files: { "p.yaml": FILE.replace("300", "0") }, stages: ["stroll"] });
  const submission = await submit(project);
  assertEquals((await execute(submission, 0)).code, 0);
  return cachedDigests(project.path("shared"));
}

/** Starts a job as the queue does, and waits for a moment of its life. */
async function startJob(project: Project, { folder, digest }: { folder: string; digest: string }, moment: string) {
  project.write("bin/squeue", SQUEUE);
  Deno.chmodSync(project.path("bin/squeue"), 0o755);
  const main = [Deno.execPath(), "run", "-A", "--quiet", join(CLONE, "cli/main.ts"), "exec", folder];
  const command = [...main, "--digest", digest, "--part", "0"];
  const child = new Deno.Command("bash", {
    args: ["-c", 'sleep 0.2; exec "$@"', "job", ...command],
    env: { SLURM_JOB_ID: "7", PATH: `${project.path("bin")}:${Deno.env.get("PATH")}`, TMPDIR: project.path() },
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = new Response(child.stderr).text();
  const status = child.status;
  const pids = () => processesOf(child.pid) as [number, ...number[]];
  while (!MOMENTS[moment]!({ pids: pids(), cache: project.path("shared"), folder })) {
    assert(isAlive(child.pid), `the job ended before the moment: ${moment}\n${isAlive(child.pid) ? "" : await said}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return { said, status, pids };
}

Deno.test("a job that is requeued is no failure of its code, whenever the signal comes, and its next attempt has the bytes", async () => {
  const wanted = await reference();
  const tries = Object.keys(MOMENTS).flatMap((moment) => ORDERS.map((order) => ({ moment, order })));
  const bad: string[] = [];
  await forEachOf(tries, async ({ moment, order }) => {
    await using project = new Project({ files: { "p.yaml": FILE }, stages: ["stroll"] });
    const { folder, digest } = await submit(project);
    const job = await startJob(project, { folder, digest }, moment);
    const [own, ...others] = job.pids();
    for (const pid of order === ORDERS[0] ? [own, ...others] : others) if (isAlive(pid)) Deno.kill(pid, "SIGTERM");
    if (order === ORDERS[1]) {
      // Processes that the signal ends have ended long before the job's own process gets it; a stage's goes on.
      for (let looks = 0; others.some(isAlive) && looks < 300; looks++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
      if (isAlive(own)) Deno.kill(own, "SIGTERM");
    }
    await job.status;
    const failed = endsIn(folder).filter(({ state }) => state === "failed");
    for (const { message, fix } of failed) bad.push(`${moment}, ${order}: ${message}; ${fix}\n${await job.said}`);
    await job.said;
    const next = await execute({ folder, digest }, 0, { queue: new ToldQueue({ id: "7", attempt: 1 }) });
    if (next.code !== 0) bad.push(`${moment}, ${order}: the next attempt ended with ${next.code}`);
    else assertEquals(cachedDigests(project.path("shared")), wanted);
  });
  assertEquals(bad, []);
});

Deno.test("a stage whose process alone gets the signal goes on to its end: its job decides when it stops", async () => {
  await using project = new Project({ files: { "p.yaml": FILE }, stages: ["stroll"] });
  const submission = await submit(project);
  const job = await startJob(project, submission, "after its first state");
  const [, ...others] = job.pids();
  for (const pid of others) Deno.kill(pid, "SIGTERM");
  assertEquals((await job.status).code, 0, await job.said);
  assertEquals(endsIn(submission.folder).map(({ state }) => state), ["ran"]);
});
