/**
 * Measures the cost of stages on a cluster compared with Slurm's own jobs, on a throw-away cluster of this machine:
 * submission while nothing else runs, the requests and memory of a watcher, and the time of a stage from the queue to
 * its end.
 *
 *     deno task bench:cluster [--quick] [--tries N]
 *
 * @module
 */
import { sha256Of } from "../../engine/store/reading.ts";
import { loadavg } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { printLine } from "../../cli/io.ts";
import { DENO_FLAGS, PROGRAM } from "../../engine/cluster/script.ts";
import { clusterFolder } from "../../engine/cluster/submission.ts";
import type { Project } from "../support/project.ts";
import { SlurmCluster, until } from "./support/slurm_cluster.ts";
import { measure, peakOf, printTable, spread } from "../../dev/bench/support/measure.ts";
import { COUNT, readOptions, SWITCH } from "../../dev/bench/support/options.ts";
import { pipelineOf, sweepOf } from "../../dev/bench/support/shapes.ts";

const { quick, tries = quick ? 1 : 5 } = await readOptions(import.meta.url, { quick: SWITCH, tries: COUNT.optional() });
const watchSeconds = quick ? 10 : 125;
/** The command line with kinds that nodes do not have: for jobs that never start. */
const CLI = fileURLToPath(import.meta.resolve("../../dev/bench/support/cli.ts"));
const PROGRAMS = ["sbatch", "squeue", "scontrol", "sinfo", "sacctmgr", "scancel"];
const load = () => loadavg().map((one) => one.toFixed(1)).join(" ");

type Figures = Record<string, string | number>;
const found: Figures[][] = [];
const before = load();
const [few, many] = quick ? [50, 500] : [1_000, 10_000];
const singles = pipelineOf({ name: "singles", count: few, before: () => undefined });
found.push([await submission(`${few} stages`, singles), await submission(`sweep of ${many}`, sweepOf(many))]);
const length = quick ? 3 : 10;
found.push([await alone(3 * tries), await queued("chain", length), await queued("array", 2 * length)].flat());

for (const rows of found) {
  printTable([Object.keys(rows[0]!), ...rows.map((row) => Object.values(row).map(String))]);
  printLine();
}
printLine(
  `- Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores; load before ${before}, after ${load()}`,
);

/** Starts a cluster that starts no jobs until it is told to, with as many processors as this machine. */
async function closedCluster(): Promise<SlurmCluster> {
  const cluster = await SlurmCluster.start({ cpus: 1, maxJobCount: 100_000, maxArraySize: 20_000 });
  await cluster.must("scontrol", ["update", "partitionname=gpu", "state=down"]);
  return cluster;
}

/**
 * Measures the time from the start of the command to its end; then the calls and the memory of a command that submits
 * and watches.
 */
async function submission(what: string, pipeline: string): Promise<Figures> {
  const times: number[] = [];
  for (let i = 0; i < tries; i++) {
    await using cluster = await closedCluster();
    const project = cluster.project({ files: { "pipeline.yaml": pipeline } });
    const args = ["run", "-A", CLI, "run", "pipeline.yaml", "--on", "lab", "--detach"];
    times.push((await measure({ program: Deno.execPath(), args, env: cluster.env }, project.root))!.seconds);
  }
  await using cluster = await closedCluster();
  const project = cluster.project({ files: { "pipeline.yaml": pipeline } });
  const PATH = `${project.path("bin")}:${Deno.env.get("PATH")}`;
  for (const name of PROGRAMS) {
    project.write(
      `bin/${name}`,
      `#!/bin/sh\necho ${name} >> ${project.path("calls")}\nPATH=\${PATH#*:} exec ${name} "$@"\n`,
    );
    Deno.chmodSync(project.path("bin", name), 0o755);
  }
  await using run = cluster.start(project, ["run", "pipeline.yaml", "--on", "lab", "--json"], {
    main: CLI,
    env: { PATH },
  });
  await run.event(({ type }) => type === "queue-changed");
  const submitted = callsOf(project);
  await new Promise((resolve) => setTimeout(resolve, 1000 * watchSeconds));
  const peak = peakOf(run.pid);
  run.signal("SIGINT");
  await run.outcome();
  return {
    what,
    seconds: spread(times, 2),
    "calls to submit": submitted,
    [`after ${watchSeconds} s of watching`]: callsOf(project),
    "peak memory": `${peak.toFixed(0)} MB`,
  };
}

function callsOf(project: Project): string {
  const counts = Map.groupBy(project.read("calls").trim().split("\n"), (name) => name);
  return PROGRAMS.filter((name) => counts.has(name)).map((name) => `${counts.get(name)!.length} ${name}`).join(", ");
}

/** Returns tiny stages, as a sweep, each after the one before, or separate. */
function stagesOf(count: number, shape: "chain" | "array" | "singles"): string {
  const stage = "uses: schedule, with: { betas: ho/linear, timesteps: ";
  const numbers = Array.from({ length: count }, (_, i) => 1000 + i);
  const after = (t: number) => shape === "singles" || t === 1000 ? "" : `, needs: s${t - 1}`;
  const stages = shape === "array"
    ? [`  s: { ${stage}"\${matrix.t}" }, matrix: { t: [${numbers}] } }`]
    : numbers.map((t) => `  s${t}: { ${stage}${t} }${after(t)} }`);
  return `name: tiny\nstages:\n${stages.join("\n")}\n`;
}

/** Starts a cluster whose queue contains a pipeline's jobs, which do not start yet. */
async function submitted(pipeline: string): Promise<SlurmCluster> {
  const cluster = await closedCluster();
  const project = cluster.project({ files: { "pipeline.yaml": pipeline } });
  const { code, stderr } = await cluster.cli(project, ["run", "pipeline.yaml", "--on", "lab", "--detach"]);
  if (code !== 0) throw new Error(stderr);
  return cluster;
}

/**
 * Measures jobs that start at once, one after the other in turns: an empty one, Deno, a stage, and a stage whose result
 * already exists.
 */
async function alone(turns: number): Promise<Figures[]> {
  await using cluster = await submitted(stagesOf(turns + 1, "singles"));
  const [{ name }] = Deno.readDirSync(clusterFolder(cluster.cache, "submissions")).toArray() as [Deno.DirEntry];
  const folder = clusterFolder(cluster.cache, "submissions", name);
  const digest = sha256Of(Deno.readFileSync(join(folder, "submission.json")));
  const exec = ["run", "-A", ...DENO_FLAGS, PROGRAM, "exec", folder, "--digest", digest, "--part"];
  const stage = (i: number) => [Deno.execPath(), ...exec, String(i)];
  const commands = { "srun true": () => ["true"], "srun deno eval 0": () => [Deno.execPath(), "eval", "0"] };
  return await inTurns("alone", turns, { ...commands, stage, "stage that is done": stage }, async (command, i) => {
    const started = performance.now();
    await cluster.must("srun", ["--partition=cpu", ...command(i)]);
    return (performance.now() - started) / 1000;
  });
}

/** Measures jobs in the queue, from the moment when they may start to the end of the last. */
async function queued(shape: "chain" | "array", count: number): Promise<Figures[]> {
  const contenders = {
    "sbatch true": async () => {
      const cluster = await closedCluster();
      if (shape === "array") await cluster.sbatch([`--array=1-${count}`], "true");
      else {
        for (let i = 0, last = ""; i < count; i++) {
          last = await cluster.sbatch(i === 0 ? [] : [`--dependency=afterok:${last}`], "true");
        }
      }
      return cluster;
    },
    stages: () => submitted(stagesOf(count, shape)),
  };
  return await inTurns(`${shape} of ${count}`, tries, contenders, async (submit) => {
    await using cluster = await submit();
    const started = performance.now();
    await cluster.must("scontrol", ["update", "partitionname=gpu", "state=up"]);
    await until("all jobs to end", async () => (await cluster.must("squeue", ["--noheader"])) === "", 300_000);
    const seconds = (performance.now() - started) / 1000;
    const ends = (await cluster.jobs()).filter(({ state }) => state === "COMPLETED").length;
    if (ends !== count) throw new Error(`${ends} of ${count} jobs ended well`);
    return seconds / count;
  });
}

/**
 * Lets contenders take turns, the first of which does not count. Ratios are to the first contender in the same turn.
 */
async function inTurns<T>(
  what: string,
  turns: number,
  contenders: Readonly<Record<string, T>>,
  time: (contender: T, turn: number) => Promise<number>,
): Promise<Figures[]> {
  const all: number[][] = [];
  for (let i = 0; i <= turns; i++) {
    const row = [];
    for (const one of Object.values(contenders)) row.push(await time(one, i));
    if (i > 0) all.push(row);
  }
  return Object.keys(contenders).map((contender, i) => ({
    what,
    contender,
    "seconds a job": spread(all.map((row) => row[i]!), 2),
    ratio: spread(all.map((row) => row[i]! / row[0]!), 2),
  }));
}
