/**
 * Injects random faults while a pipeline runs on a cluster, and checks its results.
 *
 *     deno run -A tests/cluster/kills.ts --tries 100 --seed 1
 *
 * Each try has its own cluster, cache and project. One to three faults happen at random moments while `run --on` works;
 * then the same command is repeated until it succeeds. A try is determined by the seed and its number only.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { isInCache } from "../../engine/cluster/queue_parts.ts";
import { cachedDigests } from "../support/cluster.ts";
import type { Outcome, ProcessOptions } from "../support/cli_process.ts";
import { forEachOf, seededRandom } from "../support/faults/tally.ts";
import { childrenOf, isAlive, isRoot } from "../support/proc.ts";
import { Project, type ProjectOptions } from "../support/project.ts";
import { damageIn, endsIn, type SeenEnd, submissionsIn, twiceIn, wasteIn } from "./support/judge.ts";
import { NODES, SlurmCluster } from "./support/slurm_cluster.ts";

const PIPELINE = `name: demo
stages:
  first: { uses: ./stroll.ts, with: { steps: 16, text: first } }
  second: { uses: ./stroll.ts, inputs: { from: first }, with: { steps: 4, text: second } }
  each: { uses: ./stroll.ts, matrix: { text: [a, b, c, d] }, with: { steps: 6, text: "\${matrix.text}" } }
  sum: { uses: ./squares.ts, shards: 2, with: { count: 24 } }
`;

const PROJECT = { files: { "p.yaml": PIPELINE }, stages: ["stroll", "squares"] } satisfies ProjectOptions;
const COMMAND = ["run", "p.yaml", "--on", "lab", "--json"];
/** The number of times that the command may have to run until it succeeds. */
const MOST_COMMANDS = 8;
const COMMAND_LIMIT_MS = 300_000;
/** About as long as the pipeline's jobs run. */
const FAULTS_WITHIN_MS = 16_000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export interface TryResult {
  readonly name: string;
  readonly faults: readonly string[];
  /** Results or saved states that existed and were not used, and stages that were reported as done and are not. */
  readonly lost: string[];
  readonly wrong: string[];
  /** Commands that ended in an unexpected way. */
  readonly ill: string[];
  readonly oneUser: string[];
  readonly twoUsers: string[];
  readonly commands: number;
  readonly seconds: number;
}

/** A running cluster, and what faults need to act on it. */
class Try {
  /** Running commands, the user's own first. */
  readonly running: Promise<Outcome>[] = [];
  #watcher: ReturnType<SlurmCluster["start"]> | undefined;

  constructor(
    readonly cluster: SlurmCluster,
    readonly project: Project,
    readonly lab: Readonly<Record<string, unknown>>,
    readonly random: () => number,
  ) {}

  oneOf<T>(all: readonly T[]): T {
    return all[Math.floor(this.random() * all.length)]!;
  }

  /** Returns options with which all users may write to files of the others. */
  options(options: Partial<ProcessOptions> = {}): Partial<ProcessOptions> {
    const { prefix = [] } = options;
    return { ...options, prefix: ["sh", "-c", 'umask 0; exec "$0" "$@"', ...prefix] };
  }

  /** Runs the command, and kills it if it does not end. */
  async command(project = this.project, options: Partial<ProcessOptions> = {}): Promise<Outcome> {
    await using running = this.cluster.start(project, COMMAND, this.options(options));
    if (project === this.project) this.#watcher = running;
    const timer = setTimeout(() => running.signal("SIGKILL"), COMMAND_LIMIT_MS);
    try {
      return await running.outcome();
    } finally {
      clearTimeout(timer);
    }
  }

  killWatcher(): void {
    this.#watcher?.signal("SIGKILL");
  }

  /** Returns processes of jobs that now execute a stage. */
  tasks(): number[] {
    return Array.from(Deno.readDirSync("/proc"), ({ name }) => Number(name)).filter((pid) => {
      try {
        if (!Number.isInteger(pid) || !isAlive(pid)) return false;
        const args = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
        return args.includes("exec") && args.includes("--part") &&
          args.some((arg) => arg.startsWith(`${this.cluster.cache}/`));
      } catch {
        return false;
      }
    });
  }

  /** Returns processes in which stages run. */
  workers(): number[] {
    return this.tasks().flatMap((pid) => {
      try {
        return childrenOf(pid);
      } catch {
        return [];
      }
    });
  }

  /** Returns one of several things that may not exist yet; undefined if none appears. */
  async awaited<T>(find: () => readonly T[] | Promise<readonly T[]>): Promise<T | undefined> {
    for (let tries = 0; tries < 100; tries++) {
      const found = await find();
      if (found.length > 0) return this.oneOf(found);
      await pause(100);
    }
    return undefined;
  }

  async killOne(find: () => number[]): Promise<void> {
    const pid = await this.awaited(find);
    try {
      if (pid !== undefined) Deno.kill(pid, "SIGKILL");
    } catch (error) {
      // The process has just ended.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async runningJobs(): Promise<string[]> {
    const { stdout } = await this.cluster.call("squeue", [
      "--noheader",
      "--array",
      "--states=RUNNING",
      "--format=%F %K",
    ]);
    return stdout.split("\n").filter(Boolean).map((line) => line.replace(/ N\/A$/, "").replace(" ", "_"));
  }
}

/** The faults. When one returns, nodes and the controller are back. */
const FAULTS: Readonly<Record<string, (one: Try) => Promise<void>>> = {
  "SIGKILL of a job's process": (one) => one.killOne(() => one.tasks()),
  "SIGKILL of a stage's process": (one) => one.killOne(() => one.workers()),
  "SIGKILL of the watching command": (one) => Promise.resolve(one.killWatcher()),
  "a job is requeued": async (one) => {
    const job = await one.awaited(() => one.runningJobs());
    // The request is refused if the job has just ended.
    if (job !== undefined) await one.cluster.call("scontrol", ["requeue", job]);
  },
  "a node goes down, and comes back": async (one) => {
    const node = one.oneOf(NODES.slice(0, 2));
    await one.cluster.nodeDown(node);
    await pause(3_000 * one.random());
    await one.cluster.nodeUp(node);
  },
  "a node's daemon dies, and comes back": async (one) => {
    const node = one.oneOf(NODES.slice(0, 2));
    await one.cluster.killSlurmd(node);
    await pause(5_000 * one.random());
    await one.cluster.nodeUp(node);
  },
  "a node is lost, its jobs live on": async (one) => {
    const node = one.oneOf(NODES.slice(0, 2));
    await one.cluster.killSlurmd(node);
    // After about 20 s the controller gives up the node.
    await pause(30_000);
    await one.cluster.nodeUp(node);
  },
  "the controller is frozen": async (one) => {
    one.cluster.freezeController();
    await pause(1_000 + 9_000 * one.random());
    one.cluster.thawController();
  },
  "the controller stops, and starts again": async (one) => {
    await one.cluster.stopController();
    await pause(5_000 * one.random());
    await one.cluster.startController();
  },
  "preemption": async (one) => {
    const node = one.oneOf(NODES.slice(0, 2));
    const wish = [`--nodelist=${node}`, "--cpus-per-task=8", "--output=/dev/null", "--partition=gpu"];
    await one.cluster.call("sbatch", [...wish, "--wrap", "sleep 1"]);
  },
  "a second command of the same user": async (one) => {
    one.running.push(one.command(one.cluster.project({ ...PROJECT, lab: one.lab })));
    await Promise.resolve();
  },
  "a second command of another user": async (one) => {
    const project = one.cluster.project({ ...PROJECT, lab: one.lab });
    one.running.push(one.command(project, await one.cluster.asOther(project)));
  },
};

/** @param only text that the names of the faults must contain */
function drawFaults(random: () => number, only: string): { fault: string; at: number }[] {
  const all = Object.keys(FAULTS).filter((name) => name.includes(only) && (isRoot() || !name.includes("another user")));
  const count = 1 + Math.floor(random() * 3);
  const drawn = Array.from({ length: count }, () => {
    const fault = all[Math.floor(random() * all.length)]!;
    // A second command takes a while to catch up with the first, so it starts early.
    return { fault, at: random() * FAULTS_WITHIN_MS / (fault.startsWith("a second command") ? 4 : 1) };
  });
  return drawn.sort((a, b) => a.at - b.at);
}

/** Returns all results as they are without any fault. */
export async function makeReference(): Promise<Record<string, Record<string, string>>> {
  await using project = new Project(PROJECT);
  const cache = project.path("cache");
  // Uses as many threads as a job has here.
  const { code, stderr } = await project.cli(["run", "p.yaml", "--cache", cache]);
  if (code !== 0) throw new Error(stderr);
  return cachedDigests(cache);
}

export interface TriesOptions {
  readonly tries: number;
  readonly seed: number;
  /** The number of the first try. */
  readonly first?: number;
  /** The number of tries that run at a time. */
  readonly width?: number;
  /** A text that the names of the faults must contain. */
  readonly only?: string;
  /** Called with a line about each event. */
  readonly log?: (line: string) => void;
}

/** Makes one try. */
export async function tryKills(
  seed: number,
  index: number,
  reference: Readonly<Record<string, Record<string, string>>>,
  { log = () => {}, only = "" }: Pick<TriesOptions, "log" | "only"> = {},
): Promise<TryResult> {
  const random = seededRandom(seed * 100_003 + index);
  const faults = drawFaults(random, only);
  const scavenge = random() < 0.2 || faults.some(({ fault }) => fault === "preemption");
  const preempted = random() < 0.5 ? "REQUEUE" : "CANCEL";
  const name = `try ${index} of seed ${seed}${scavenge ? ` (preempted jobs: ${preempted})` : ""}`;
  log(`${name}: ${faults.map(({ fault, at }) => `${fault} at ${(at / 1000).toFixed(1)} s`).join(", ")}`);
  const started = performance.now();
  const lab = scavenge ? { partition: "scavenge" } : {};
  await using cluster = await SlurmCluster.start({ preempted, cpus: 8 });
  Deno.chmodSync(cluster.cache, 0o777);
  const project = cluster.project({ ...PROJECT, lab });
  const one = new Try(cluster, project, lab, random);
  const result: TryResult = {
    ...{ name, faults: [...new Set(faults.map(({ fault }) => fault))], seconds: 0, commands: 0 },
    ...{ lost: [], wrong: [], ill: [], oneUser: [], twoUsers: [] },
  };

  const begun = performance.now();
  // Faults of nodes and the controller need each other's recovery, so they run one after the other; other faults happen
  // at the same time.
  let machines = Promise.resolve();
  const strikes = Promise.all(faults.map(({ fault, at }) => {
    const strike = async () => {
      await pause(Math.max(0, at - (performance.now() - begun)));
      log(`${name}: ${fault}`);
      await FAULTS[fault]!(one);
    };
    return /\b(node|controller)\b/.test(fault) ? machines = machines.then(strike) : strike();
  }));
  // A rejection is handled below; until then it must not count as unhandled.
  strikes.catch(() => {});
  const told = new Set<string>();
  let last: Outcome;
  let commands = 0;
  for (;;) {
    last = await one.command();
    commands++;
    for (const id of doneIn(last)) told.add(id);
    result.lost.push(...missingOf(told, cluster.cache));
    const { code, signal, stdout, stderr } = last;
    const said = code === 0 || code === 1 || signal !== null ? "" : `: ${stdout.slice(-1_500)}${stderr.slice(-1_000)}`;
    log(`${name}: command ${commands} ended with ${signal ?? code}${said}`);
    if (said !== "" || /internal error/.test(stderr)) result.ill.push(`a command ended with ${code}${said}${stderr}`);
    if (code === 0 || commands === MOST_COMMANDS) break;
  }
  await strikes;
  for (const { code, stdout, stderr } of await Promise.all(one.running)) {
    log(`${name}: another command ended with ${code}`);
    // If a stage was killed, it fails for all commands that wait for it.
    if (code !== 0 && code !== 1) result.ill.push(`another command ended with ${code}: ${stdout}${stderr}`);
  }
  await cluster.untilEmpty();
  if (last.code !== 0) result.lost.push(`the command does not end well: ${last.stdout.slice(-2_000)}${last.stderr}`);

  const [cached, ends] = [cachedDigests(cluster.cache), endsIn(cluster.cache)];
  for (const [key, digests] of Object.entries(reference)) {
    if (cached[key] === undefined) result.lost.push(`no result ${key}`);
    else if (JSON.stringify(cached[key]) !== JSON.stringify(digests)) result.wrong.push(`result ${key}`);
  }
  const foreign = Object.keys(cached).filter((key) => reference[key] === undefined && !isShard(key, ends));
  result.wrong.push(...damageIn(cluster.cache), ...foreign.map((key) => `result ${key}, which is not of the pipeline`));
  result.lost.push(...wasteIn(ends));
  const { oneUser, twoUsers } = twiceIn(ends);
  result.oneUser.push(...oneUser);
  result.twoUsers.push(...twoUsers);
  const seconds = (performance.now() - started) / 1000;
  const harm = [...result.lost, ...result.wrong, ...result.ill, ...oneUser, ...twoUsers];
  const users = Map.groupBy(ends, ({ user }) => user).entries().map(([user, { length }]) => `${length} of ${user}`);
  log(
    `${name}: over after ${seconds.toFixed(0)} s, attempts: ${[...users].join(", ")}, ${
      harm.length === 0 ? "well" : harm.join("\n  ")
    }`,
  );
  if (isHarmed(result)) {
    log(ends.map((end) => `  ${JSON.stringify(end)}`).join("\n"));
    log(await cluster.account());
  }
  return { ...result, commands, seconds };
}

/** Returns true if a try did harm. Two users computing the same stage is no harm. */
export function isHarmed({ lost, wrong, ill, oneUser }: TryResult): boolean {
  return [lost, wrong, ill, oneUser].some(({ length }) => length > 0);
}

function isShard(key: string, ends: readonly SeenEnd[]): boolean {
  return ends.some(({ resolvedKey, id }) => resolvedKey === key && /~\d+of\d+$/.test(id));
}

/** Returns the stages that a command reported as done; a killed command may have cut off its last line. */
function doneIn({ stdout }: Outcome): string[] {
  return stdout.split("\n").flatMap((line) => {
    if (!line.startsWith("{") || !line.endsWith("}")) return [];
    const { type, state, id } = JSON.parse(line);
    return type === "stage-finished" && ["ran", "cached", "restored"].includes(state) ? [id as string] : [];
  });
}

/** Returns the stages that were reported as done but have no result in the cache. */
function missingOf(told: ReadonlySet<string>, cache: string): string[] {
  const stages = submissionsIn(cache).flatMap(({ stages }) => stages);
  const there = new Set(stages.filter(({ recipeKey }) => isInCache(cache, recipeKey)).map(({ id }) => id));
  return [...told].filter((id) => !there.has(id)).map((id) => `${id} was said to be done, and is not there`);
}

/** Returns the table of all tries, by the faults in them. */
export function tableOf(results: readonly TryResult[]): string {
  const count = (rows: readonly TryResult[]) =>
    [
      rows.length,
      ...(["lost", "wrong", "oneUser", "twoUsers"] as const).map((what) =>
        rows.filter((one) => one[what].length > 0).length
      ),
    ].map(String);
  const lines = [
    ["fault", "tries", "lost", "wrong bytes", "twice, one user", "twice, two users"],
    ...Object.keys(FAULTS).map((fault) => [fault, ...count(results.filter(({ faults }) => faults.includes(fault)))]),
    ["all", ...count(results)],
  ];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const show = (line: readonly string[]) =>
    `| ${line.map((cell, at) => at === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[at]!)).join(" | ")} |`;
  const rule = widths.map((width, at) => at === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`);
  return [lines[0]!, rule, ...lines.slice(1)].map(show).join("\n");
}

/** Makes all tries of a seed, a few at a time: most of each is waiting. */
export async function tryAll({ tries, seed, first = 0, width = 2, ...options }: TriesOptions): Promise<TryResult[]> {
  const reference = await makeReference();
  const results: TryResult[] = [];
  const all = Array.from({ length: tries }, (_, index) => first + index);
  await forEachOf(all, async (index) => void results.push(await tryKills(seed, index, reference, options)), width);
  return results;
}

if (import.meta.main) {
  const number = (name: string) => [name, { type: "string" as const }];
  const options = Object.fromEntries(["tries", "seed", "first", "width", "only"].map(number));
  const { tries, seed, first, width, only } = parseArgs({ args: Deno.args, options }).values as Record<string, string>;
  const started = performance.now();
  const results = await tryAll({
    tries: Number(tries ?? 10),
    seed: Number(seed ?? 1),
    first: Number(first ?? 0),
    width: Number(width ?? 4),
    ...only === undefined ? {} : { only },
    // deno-lint-ignore no-console
    log: (line) => console.log(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} ${line}`),
  });
  const harmed = results.filter(isHarmed);
  // deno-lint-ignore no-console
  console.log(
    `\n${tableOf(results)}\n${results.reduce((sum, { commands }) => sum + commands, 0)} commands, ` +
      `${((performance.now() - started) / 60_000).toFixed(0)} minutes`,
  );
  Deno.exit(harmed.length > 0 ? 1 : 0);
}
