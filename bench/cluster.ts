/**
 * What stages cost on a cluster beside Slurm's own jobs, on a throw-away cluster of this machine: submission with nothing
 * beside it, what a watcher asks and holds, and the way of a stage from the queue to its end.
 *
 *     deno task bench:cluster [--quick] [--tries N]
 *
 * @module
 */
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { printLine } from "../cli/io.ts";
import type { Project } from "../tests/support/project.ts";
import { SlurmCluster, until } from "../tests/cluster/support/slurm_cluster.ts";
import { printTable } from "./support/markdown.ts";
import { measure, median, peakOf } from "./support/measure.ts";
import { pipelineOf, sweepOf } from "./support/shapes.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { quick: { type: "boolean", default: false }, tries: { type: "string" } },
});
const tries = Number(values.tries ?? (values.quick ? 1 : 5));
const watchSeconds = values.quick ? 10 : 125;
/** With kinds that nodes have not: for jobs that never start. */
const CLI = fileURLToPath(import.meta.resolve("./support/cli.ts"));
const PROGRAMS = ["sbatch", "squeue", "scontrol", "sinfo", "sacctmgr", "scancel"];
const load = () => loadavg().map((one) => one.toFixed(1)).join(" ");

type Figures = Record<string, string | number>;
const found: Figures[][] = [];
const before = load();
const [few, many] = values.quick ? [50, 500] : [1_000, 10_000];
const singles = pipelineOf({ name: "singles", count: few, before: () => undefined });
found.push([await submission(`${few} stages`, singles), await submission(`sweep of ${many}`, sweepOf(many))]);
const length = values.quick ? 3 : 10;
found.push([await overhead("chain", length), await overhead("array", 2 * length)].flat());

for (const rows of found) {
  printTable([Object.keys(rows[0]!), ...rows.map((row) => Object.values(row).map(String))]);
  printLine();
}
printLine(
  `- Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores; load before ${before}, after ${load()}`,
);

/** A cluster that starts nothing before it is told to: with as many processors as this machine. */
async function closedCluster(): Promise<SlurmCluster> {
  const cluster = await SlurmCluster.start({ cpus: 1, maxJobCount: 100_000, maxArraySize: 20_000 });
  await cluster.must("scontrol", ["update", "partitionname=gpu", "state=down"]);
  return cluster;
}

/** From the start of the command to its end; then calls and memory of one that submits and watches. */
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
    seconds: spread(times),
    "calls to submit": submitted,
    [`after ${watchSeconds} s of watching`]: callsOf(project),
    "peak memory": `${peak.toFixed(0)} MB`,
  };
}

function callsOf(project: Project): string {
  const counts = Map.groupBy(project.read("calls").trim().split("\n"), (name) => name);
  return PROGRAMS.filter((name) => counts.has(name)).map((name) => `${counts.get(name)!.length} ${name}`).join(", ");
}

/** Tiny stages, one after the other or as many at a time as there are cores, beside jobs that do nothing, in turns. */
async function overhead(shape: "chain" | "array", count: number): Promise<Figures[]> {
  const stage = "uses: schedule, with: { betas: ho/linear, timesteps: ";
  const numbers = Array.from({ length: count }, (_, i) => 1000 + i);
  const stages = shape === "array"
    ? [`  s: { ${stage}"\${matrix.t}" }, matrix: { t: [${numbers}] } }`]
    : numbers.map((t, i) => `  s${t}: { ${stage}${t} }${i === 0 ? "" : `, needs: s${t - 1}`} }`);
  const yaml = `name: ${shape}\nstages:\n${stages.join("\n")}\n`;
  const jobs = (lines: string) => async (cluster: SlurmCluster) => {
    if (shape === "array") return void await cluster.sbatch([`--array=1-${count}`], lines);
    for (let i = 0, last = ""; i < count; i++) {
      last = await cluster.sbatch(i === 0 ? [] : [`--dependency=afterok:${last}`], lines);
    }
  };
  const contenders: Record<string, (cluster: SlurmCluster) => Promise<void>> = {
    "sbatch true": jobs("true"),
    "sbatch deno eval 0": jobs(`${Deno.execPath()} eval 0`),
    "noiseline": async (cluster) => {
      const project = cluster.project({ files: { "pipeline.yaml": yaml } });
      const { code, stderr } = await cluster.cli(project, ["run", "pipeline.yaml", "--on", "lab", "--detach"]);
      if (code !== 0) throw new Error(stderr);
    },
  };
  const times = new Map(Object.keys(contenders).map((name) => [name, [] as number[]]));
  for (let i = 0; i < tries; i++) {
    for (const [name, submit] of Object.entries(contenders)) {
      await using cluster = await closedCluster();
      await submit(cluster);
      const started = performance.now();
      await cluster.must("scontrol", ["update", "partitionname=gpu", "state=up"]);
      await until("all jobs to end", async () => (await cluster.must("squeue", ["--noheader"])) === "", 300_000);
      times.get(name)!.push((performance.now() - started) / 1000 / count);
      const ends = (await cluster.jobs()).filter(({ state }) => state === "COMPLETED").length;
      if (ends !== count) throw new Error(`${ends} of ${count} jobs of ${name} ended well`);
    }
  }
  const base = times.get("sbatch true")!;
  return [...times].map(([name, own]) => ({
    what: `${shape} of ${count}`,
    contender: name,
    "seconds a job": spread(own),
    ratio: spread(own.map((one, i) => one / base[i]!)),
  }));
}

/** Median, least and most. */
function spread(all: readonly number[]): string {
  return `${median(all).toFixed(2)} (${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)})`;
}
