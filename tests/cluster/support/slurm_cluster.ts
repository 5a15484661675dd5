/**
 * A throw-away Slurm cluster on this machine, for tests: three nodes on loopback, two of them with two fake GPUs, in a
 * temporary folder, with its own ports. Any number of clusters may run side by side.
 *
 *     clusterTest("a job runs", {}, async (cluster) => {
 *       const job = await cluster.sbatch(["--gres=gpu:1"], "echo hello");
 *       await cluster.untilState(job, "COMPLETED");
 *     });
 *
 * - Partitions: `gpu` (default; n1, n2), `cpu` (n3), `scavenge` (n1, n2; gives way to `gpu`). Time limits of at most 60
 *   minutes.
 * - `cluster.env` makes Slurm's commands use this cluster; `cluster.call()` runs one of them, `cluster.project()` makes
 *   a folder with `clusters/lab.yaml` in which `cluster.start()` and `cluster.cli()` run the real command line;
 *   `cluster.cli(project, args, await cluster.asOther(project))` does so as another user.
 * - Faults: `nodeDown` (as an administrator does: jobs are queued again at once), `killSlurmd` and `cut` (the job
 *   continues beside its next attempt), `killNode` (the job dies), `stopController`, `freezeController` (a submission
 *   gets no answer but is queued all the same), `stopAccounting`; each has its opposite.
 * - No wait is without a limit, and stopping kills everything that the cluster started, whatever state it is in.
 * - By hand: `deno run -A tests/cluster/support/slurm_cluster.ts [accounting] [namespaces]`, until Ctrl-C.
 *
 * Nodes share the machine's processors and file system. Memory limits are not enforced (there are no cgroups).
 *
 * @module
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCluster } from "../../../engine/cluster/cluster_file.ts";
import { Grants } from "../../../engine/run/rights.ts";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";
import type { testsAlone } from "../../support/own_process.ts";
import { hasProgram, isRoot } from "../../support/proc.ts";
import { Project, type ProjectOptions } from "../../support/project.ts";
import { CLONE, type Outcome, type ProcessOptions, type Running } from "../../support/cli_process.ts";
import {
  accountingConfiguration,
  type Addresses,
  type ClusterOptions,
  GRES,
  type Node,
  nodeAddress,
  NODES,
  slurmConfiguration,
} from "./configuration.ts";
import { killAllOf, killNodeOf } from "./processes.ts";

export { type ClusterOptions, type Node, NODES } from "./configuration.ts";

export interface CallResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CallOptions {
  readonly stdin?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Another user of this machine, such as `games`; root only. */
  readonly user?: string;
  readonly limitMs?: number;
}

/** One job, or one child of an array, as `squeue` shows it. */
export interface SeenJob {
  /** `8`, or `8_3`. */
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly reason: string;
  readonly node: string;
  readonly comment: string;
}

const DAEMONS = ["slurmctld", "slurmd", "munged", "sbatch", "squeue", "setpriv"];
const DATABASE = ["slurmdbd", "mariadbd", "mariadb", "mariadb-install-db"];
const PACKAGES = "Debian: slurmctld slurmd slurm-client munge";

/** Returns why no such cluster can be started here; undefined if it can. */
export function clusterAbsence(
  { accounting = false, namespaces = false, absence }: ClusterOptions = {},
): string | undefined {
  if (Deno.build.os !== "linux") return "Slurm needs Linux";
  const missing = [
    ...DAEMONS,
    ...accounting === false ? [] : DATABASE,
    ...namespaces ? ["ip", "nsenter", "unshare"] : [],
  ]
    .filter((name) => !hasProgram(name));
  if (missing.length > 0) return `there is no ${missing.join(", ")} (${PACKAGES})`;
  return namespaces && !isRoot() ? "networks of their own need root" : absence;
}

/**
 * Waits for a condition to hold. Throws, with the last state that was seen, if it does not hold in time: the limit is
 * long enough to separate a busy machine from a condition that never holds.
 */
export async function until(what: string, holds: () => Promise<boolean | string>, limitMs = 180_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (let pause = 50;; pause = Math.min(500, pause * 1.5)) {
    const seen = await holds();
    if (seen === true) return;
    if (performance.now() > deadline) {
      throw new Error(`waited ${limitMs / 1000} s for ${what}${seen === false ? "" : `, but: ${seen}`}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Grants the rights that the project's cluster file currently asks for: most tests are about something else. */
function grantCluster(project: Project, { cwd = project.root, env = {} }: Partial<ProcessOptions>): void {
  const loaded = loadCluster("lab", { folder: project.root }, Object.keys(BUILTIN_KINDS));
  const config = env["XDG_CONFIG_HOME"] ?? join(cwd, ".config");
  const grants = new Grants(project.root, join(config, "noiseline/grants.json"));
  if (loaded.ok) loaded.value.asks.forEach((one) => grants.add(one));
  grants.keep();
}

/**
 * Registers a test with its own cluster. If the test fails, it prints what the cluster was doing.
 * @param register replacement for `Deno.test`
 */
export function clusterTest(
  name: string,
  options: ClusterOptions,
  test: (cluster: SlurmCluster, t: Deno.TestContext) => Promise<void>,
  register: ReturnType<typeof testsAlone> = (name, fn, ignore = false) => Deno.test({ name, ignore, fn }),
): void {
  const absence = clusterAbsence(options);
  register(absence === undefined ? name : `skipped: ${absence}: ${name}`, async (t) => {
    await using cluster = await SlurmCluster.start(options);
    try {
      await test(cluster, t);
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\n${await cluster.account()}`, {
        cause: error,
      });
    }
  }, absence !== undefined);
}

/**
 * Numbers of places for clusters on this machine, each with a file that the kernel locks for the process that uses it.
 */
const PLACES = join(tmpdir(), "noiseline-slurm-places");
/** The kernel takes a moment to clear a place away, so the next cluster begins its search elsewhere. */
let looked = Deno.pid;

/**
 * Takes a place that no other cluster has, not even one that is about to start. The place's ports are below those that
 * the kernel assigns: a controller that is started again must find its own ports free.
 */
function takePlace(namespaces: boolean): Addresses & { readonly held: Deno.FsFile } {
  Deno.mkdirSync(PLACES, { recursive: true });
  for (let tries = 0; tries < 600; tries++) {
    const place = looked++ % 600;
    const port = 20_000 + 20 * place;
    const held = Deno.openSync(join(PLACES, `${place}`), { create: true, write: true });
    try {
      if (!held.tryLockSync(true)) throw new Deno.errors.AddrInUse();
      for (const one of [0, 1, ...NODES.map((_, at) => 10 + at)]) {
        Deno.listen({ hostname: "0.0.0.0", port: port + one }).close();
      }
      return { port, network: namespaces ? `10.${231 + Math.floor(place / 250)}.${place % 250}` : undefined, held };
    } catch (error) {
      held.close();
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new Error("no ports are free");
}

async function command(program: string, args: readonly string[], options: CallOptions = {}): Promise<CallResult> {
  const { stdin, limitMs = 60_000, user } = options;
  const [first, ...rest] = user === undefined
    ? [program, ...args]
    : ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups", "--", program, ...args];
  const child = new Deno.Command(first!, {
    args: rest,
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(limitMs),
    ...options.env === undefined ? {} : { env: { ...options.env } },
    ...options.cwd === undefined ? {} : { cwd: options.cwd },
  }).spawn();
  if (stdin !== undefined) await new Blob([stdin]).stream().pipeTo(child.stdin).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function must(program: string, args: readonly string[], options: CallOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await command(program, args, options);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}: ${stderr || stdout}`);
  return stdout;
}

/** See the module's documentation. */
export class SlurmCluster implements AsyncDisposable {
  readonly folder: string = Deno.makeTempDirSync({ prefix: "noiseline-slurm-" });
  /** A folder that all nodes see. */
  readonly cache: string = join(this.folder, "cache");
  /** Variables that make Slurm's commands use this cluster. */
  readonly env: Readonly<Record<string, string>> = { SLURM_CONF: join(this.folder, "etc/slurm.conf") };
  readonly options: ClusterOptions;
  readonly #addresses: ReturnType<typeof takePlace>;
  readonly #daemons = new Map<string, Deno.ChildProcess>();
  readonly #projects: Project[] = [];
  readonly #mounts = new Map<string, Promise<string>>();

  private constructor(options: ClusterOptions) {
    this.options = options;
    this.#addresses = takePlace(options.namespaces === true);
  }

  /** Starts a cluster and waits until all its nodes are idle. Throws if `clusterAbsence` gives a reason. */
  static async start(options: ClusterOptions = {}): Promise<SlurmCluster> {
    const absence = clusterAbsence(options);
    if (absence !== undefined) throw new Error(absence);
    const cluster = new SlurmCluster(options);
    try {
      await cluster.#start();
      return cluster;
    } catch (error) {
      const told = await cluster.account();
      await cluster[Symbol.asyncDispose]();
      throw new Error(`no cluster: ${error instanceof Error ? error.message : error}\n${told}`);
    }
  }

  /** Runs one of Slurm's commands, whatever its outcome. */
  call(program: string, args: readonly string[], options: CallOptions = {}): Promise<CallResult> {
    return command(program, args, { cwd: this.folder, ...options, env: { ...this.env, ...options.env } });
  }

  /** The same, but any outcome except success is an error. */
  must(program: string, args: readonly string[], options: CallOptions = {}): Promise<string> {
    return must(program, args, { cwd: this.folder, ...options, env: { ...this.env, ...options.env } });
  }

  /**
   * Queues lines of shell.
   * @returns the job's id
   */
  async sbatch(args: readonly string[], lines: string, options: CallOptions = {}): Promise<string> {
    const stdin = `#!/bin/bash\n${lines}\n`;
    const said = await this.must("sbatch", ["--parsable", "--output=/dev/null", ...args], { ...options, stdin });
    return said.trim().split(";")[0]!;
  }

  /** Returns all jobs that the controller remembers; children of arrays one by one. */
  async jobs(): Promise<SeenJob[]> {
    const format = ["%F", "%K", "%T", "%N", "%r", "%j", "%k"].join("\x1f");
    const text = await this.must("squeue", ["--noheader", "--states=all", "--array", `--format=${format}`]);
    return text.split("\n").filter((line) => line !== "").map((line) => {
      const [job, child, state, node, reason, name, comment] = line.split("\x1f") as [string, ...string[]];
      return {
        id: /^\d+$/.test(child!) ? `${job}_${child}` : job,
        name: name!,
        state: state!,
        reason: reason!,
        node: node!,
        comment: comment!,
      };
    });
  }

  /** Returns a job, or the children of an array. */
  async job(id: string): Promise<SeenJob[]> {
    return (await this.jobs()).filter((job) => job.id === id || job.id.startsWith(`${id}_`));
  }

  /** Waits until a job, or all children of an array, are in a state, such as `COMPLETED`. */
  async untilState(id: string, state: string, limitMs = 180_000): Promise<void> {
    await until(`job ${id} to be ${state}`, async () => {
      const seen = await this.job(id);
      if (seen.length > 0 && seen.every((job) => job.state === state)) return true;
      return seen.length === 0 ? "it is unknown" : seen.map((job) => `${job.id} ${job.state} ${job.reason}`).join(", ");
    }, limitMs);
  }

  /** Waits until no job is waiting or running. */
  async untilEmpty(limitMs = 180_000): Promise<void> {
    await until("an empty queue", async () => {
      const text = await this.must("squeue", ["--noheader", "--array", "--format=%i %j %T %r"]);
      return text.trim() === "" ? true : text.trim().split("\n").slice(0, 20).join(", ");
    }, limitMs);
  }

  /**
   * Makes a project with `clusters/lab.yaml` for this cluster.
   * @param lab content of that file beyond the cache and scratch
   */
  project({ lab = {}, ...options }: ProjectOptions & { readonly lab?: Readonly<Record<string, unknown>> }): Project {
    const scratch = join(this.folder, "scratch");
    const text = JSON.stringify({ engine: "slurm", cache: this.cache, scratch, ...lab }, null, 2);
    const project = new Project({ ...options, files: { "clusters/lab.yaml": text, ...options.files } });
    this.#projects.push(project);
    return project;
  }

  /** Starts the real command line in a project, with this cluster in reach. */
  start(project: Project, args: readonly string[], options: Partial<ProcessOptions> = {}): Running {
    grantCluster(project, options);
    return project.start(args, { ...options, env: { ...this.env, ...options.env } });
  }

  /** The same, but waits until the command has ended. */
  cli(project: Project, args: readonly string[], options: Partial<ProcessOptions> = {}): Promise<Outcome> {
    grantCluster(project, options);
    return project.cli(args, { ...options, env: { ...this.env, ...options.env } });
  }

  /**
   * Returns options with which `start` and `cli` run as another user of this machine, who becomes the owner of the
   * project. That user cannot read root's home, where Deno, its packages and the toolkit may lie, so they are mounted
   * in this cluster's folder. Root only.
   */
  async asOther(project: Project, user = "games"): Promise<Pick<ProcessOptions, "prefix" | "env" | "main">> {
    const { denoDir } = JSON.parse(await must(Deno.execPath(), ["info", "--json"]));
    const [deno, packages, clone] = await Promise.all([
      this.#mount("deno", Deno.execPath()),
      this.#mount("packages", denoDir),
      this.#mount("clone", CLONE),
    ]);
    await must("chown", ["--recursive", `${user}:`, project.root]);
    const as = ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups", "--"];
    // The path of Deno that comes next is the one that this user cannot access.
    const prefix = [...as, "sh", "-c", 'shift; exec "$0" "$@"', deno];
    const env = { ...this.env, HOME: project.root, USER: user, LOGNAME: user, DENO_DIR: packages };
    return { prefix, env, main: join(clone, "cli/main.ts") };
  }

  /** Takes a node out, as an administrator does: its jobs are queued again. */
  async nodeDown(node: Node): Promise<void> {
    await this.must("scontrol", ["update", `nodename=${node}`, "state=down", "reason=test"]);
  }

  /** Brings a node back, whatever took it away. */
  async nodeUp(node: Node): Promise<void> {
    if (!this.#daemons.has(node)) this.#startNode(node);
    await until(`node ${node} to be back`, async () => {
      await this.call("scontrol", ["update", `nodename=${node}`, "state=resume"]);
      return /^(idle|mixed|allocated|completing)$/.test(
        (await this.call("sinfo", ["--noheader", `--nodes=${node}`, "--format=%T"])).stdout.trim().split("\n")[0]!,
      );
    });
  }

  /**
   * Kills the node's daemon; its jobs continue. The controller notices after about 20 s and starts the jobs elsewhere
   * too.
   */
  killSlurmd(node: Node): Promise<void> {
    return this.#kill(node, "SIGKILL");
  }

  /** Kills the node with everything that runs on it; the controller notices as above. */
  async killNode(node: Node): Promise<void> {
    await this.killSlurmd(node);
    killNodeOf(this.folder, node);
  }

  /** Cuts a node off; the controller notices as above. */
  async cut(node: Node): Promise<void> {
    await must("ip", ["link", "set", this.#link(node), "down"]);
  }

  /** Connects the node again; the node is back once its restarted daemon has registered. */
  async heal(node: Node): Promise<void> {
    await must("ip", ["link", "set", this.#link(node), "up"]);
    await this.#kill(node, "SIGKILL");
    await this.nodeUp(node);
  }

  stopController(): Promise<void> {
    return this.#kill("slurmctld", "SIGTERM");
  }

  async startController(): Promise<void> {
    this.#spawn("slurmctld", ["slurmctld", "-D", "-i"]);
    await until("slurmctld", async () => (await this.call("scontrol", ["ping"])).code === 0);
  }

  /** Freezes the controller: it answers nobody, but messages to it wait in its socket. */
  freezeController(): void {
    this.#daemons.get("slurmctld")!.kill("SIGSTOP");
  }

  thawController(): void {
    this.#daemons.get("slurmctld")!.kill("SIGCONT");
  }

  stopAccounting(): Promise<void> {
    return this.#kill("slurmdbd", "SIGTERM");
  }

  async startAccounting(): Promise<void> {
    this.#spawn("slurmdbd", ["slurmdbd", "-D"], { MYSQL_UNIX_PORT: join(this.folder, "run/db.sock") });
    await until("slurmdbd", async () => (await this.call("sacctmgr", ["--noheader", "show", "cluster"])).code === 0);
  }

  /** Returns the cluster's own status, for a test that failed. */
  async account(): Promise<string> {
    const calls = [["squeue", "--states=all", "--format=%.9i %.24j %.10T %.6N %r"], ["sinfo", "--long", "--Node"]];
    const said = await Promise.all(calls.map(async ([program, ...args]) => {
      const { stdout, stderr } = await this.call(program!, args, { limitMs: 10_000 });
      return `${stdout}${stderr}`.trimEnd().split("\n").slice(-40).join("\n");
    }));
    const logs = await Promise.all(["slurmctld", ...NODES.map((node) => `slurmd.${node}`)].map(async (name) => {
      const text = await Deno.readTextFile(join(this.folder, "log", `${name}.log`)).catch(() => "");
      return [`-- ${name}`, ...text.trimEnd().split("\n").slice(name === "slurmctld" ? -20 : -5)].join("\n");
    }));
    return [...said, ...logs].join("\n");
  }

  /** Ends the cluster and all its jobs, and removes its folder and the projects made for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of [...this.#daemons.keys()]) await this.#kill(name, "SIGKILL");
    await killAllOf(this.folder);
    for (const path of await Promise.all(this.#mounts.values())) await must("umount", [path]);
    if (this.options.namespaces === true) await this.#removeNetwork();
    for (const project of this.#projects) await project[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
    this.#addresses.held.close();
  }

  async #start(): Promise<void> {
    const { folder, options } = this;
    const { accounting = false, namespaces = false } = options;
    const user = (await must("id", ["-un"])).trim();
    // Other users must reach munge's socket, but munge wants nobody else to be able to write where its key and log are.
    Deno.chmodSync(folder, 0o755);
    for (const name of ["cache", "scratch"]) {
      Deno.mkdirSync(join(folder, name));
      Deno.chmodSync(join(folder, name), 0o1777);
    }
    const private_ = ["munge", "db"];
    for (const name of ["etc", "run", "state", "spool", "log", ...private_, ...NODES.map((node) => `spool/${node}`)]) {
      Deno.mkdirSync(join(folder, name), { mode: private_.includes(name) ? 0o700 : 0o755 });
    }
    Deno.writeFileSync(join(folder, "munge/key"), crypto.getRandomValues(new Uint8Array(1024)), { mode: 0o400 });
    const write = (name: string, text: string, mode = 0o644) =>
      Deno.writeTextFileSync(join(folder, "etc", name), text, { mode });
    write("slurm.conf", slurmConfiguration(folder, user, this.#addresses, options));
    write("gres.conf", GRES);
    // Newer versions look for cgroups unless told not to; 22.05 does not know the setting.
    const major = Number(/\d+/.exec(await must("slurmd", ["-V"]))?.[0]);
    if (major >= 24) write("cgroup.conf", "CgroupPlugin=disabled\n");
    const munge = ["key-file=munge/key", "log-file=munge/log", "seed-file=munge/seed", "pid-file=run/munged.pid"];
    const paths = munge.map((one) => `--${one.replace("=", `=${folder}/`)}`);
    const socket = join(folder, "run/munge.sock");
    this.#spawn("munged", ["munged", "--foreground", `--socket=${socket}`, ...paths, "--num-threads=4"]);
    if (accounting !== false) {
      write("slurmdbd.conf", accountingConfiguration(folder, user, this.#addresses.port), 0o600);
      await this.#startDatabase(user);
    }
    await until("munged", () => Deno.stat(socket).then(() => true, () => false));
    if (accounting !== false) {
      await this.startAccounting();
      // The controller registers itself, but too late for limits that must apply from the first job on.
      await this.must("sacctmgr", ["--immediate", "add", "cluster", "test"]);
      await this.must("sacctmgr", ["--immediate", "add", "account", "lab"]);
      await this.must("sacctmgr", ["--immediate", "add", "user", user, "account=lab"]);
    }
    if (namespaces) await this.#addNetwork();
    await this.startController();
    for (const node of NODES) this.#startNode(node);
    await until("all nodes to be idle", async () => {
      const { stdout } = await this.call("sinfo", ["--noheader", "--Node", "--states=idle", "--format=%N"]);
      return new Set(stdout.split("\n").filter((line) => line !== "")).size === NODES.length;
    });
  }

  #mount(name: string, from: string): Promise<string> {
    const make = async () => {
      const to = join(this.folder, name);
      if ((await Deno.stat(from)).isFile) await Deno.writeTextFile(to, "");
      else await Deno.mkdir(to);
      // Read-only, so that clearing the temporary folder after a crash cannot remove anything that is mounted here.
      await must("mount", ["--bind", "--options=ro", from, to]);
      if ((await command("touch", [to])).code === 0) throw new Error(`${to} can be written to`);
      return to;
    };
    const made = this.#mounts.get(name) ?? make();
    this.#mounts.set(name, made);
    return made;
  }

  async #startDatabase(user: string): Promise<void> {
    const [data, socket] = [join(this.folder, "db"), join(this.folder, "run/db.sock")];
    const common = ["--no-defaults", `--user=${user}`, `--datadir=${data}`];
    await must("mariadb-install-db", [...common, "--auth-root-authentication-method=normal", "--skip-test-db"]);
    const small = ["--skip-networking", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M"];
    const files = [
      `--socket=${socket}`,
      `--pid-file=${this.folder}/run/db.pid`,
      `--log-error=${this.folder}/log/db.log`,
    ];
    this.#spawn("mariadbd", ["mariadbd", ...common, ...small, ...files]);
    const client = ["--no-defaults", "--user=root", `--socket=${socket}`, "--execute"];
    await until("mariadbd", async () => (await command("mariadb", [...client, "select 1"])).code === 0);
    await must("mariadb", [
      ...client,
      "create database slurm_acct_db; create user slurm@localhost identified by 'slurm'; " +
      "grant all on slurm_acct_db.* to slurm@localhost",
    ]);
  }

  #startNode(node: Node): void {
    const slurmd = ["slurmd", "-D", "-N", node];
    // `ip netns exec` would hide cgroups, which slurmd wants to see.
    const own = [
      "nsenter",
      `--net=/run/netns/${this.#space(node)}`,
      "unshare",
      "-u",
      "sh",
      "-c",
      'hostname "$0"; exec "$@"',
      node,
    ];
    this.#spawn(node, this.options.namespaces === true ? [...own, ...slurmd] : slurmd);
  }

  /** Daemons stay in the foreground and die with this process, should it not get to stop them. */
  #spawn(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): void {
    const child = new Deno.Command("setpriv", {
      args: ["--pdeathsig", "KILL", "--", ...args],
      cwd: this.folder,
      env: { ...this.env, ...env },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#daemons.set(name, child);
  }

  async #kill(name: string, signal: Deno.Signal): Promise<void> {
    const child = this.#daemons.get(name);
    if (child === undefined) return;
    this.#daemons.delete(name);
    try {
      child.kill(signal);
    } catch (error) {
      // The daemon has ended by itself.
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
    const hurry = setTimeout(() => child.kill("SIGKILL"), 20_000);
    await child.status;
    clearTimeout(hurry);
  }

  /** The prefix of the names of the cluster's networks. */
  get prefix(): string {
    return `nl${this.#addresses.port}`;
  }

  #space(node: Node): string {
    return `${this.prefix}${node}`;
  }

  #link(node: Node): string {
    return `${this.prefix}v${node}`;
  }

  async #addNetwork(): Promise<void> {
    const ip = (text: string) => must("ip", text.split(" "));
    const network = this.#addresses.network!;
    const bridge = `${this.prefix}b`;
    await ip(`link add ${bridge} type bridge`);
    await ip(`addr add ${network}.1/24 dev ${bridge}`);
    await ip(`link set ${bridge} up`);
    for (const node of NODES) {
      const [space, link] = [this.#space(node), this.#link(node)];
      await ip(`netns add ${space}`);
      await ip(`link add ${link} type veth peer name eth0 netns ${space}`);
      await ip(`link set ${link} master ${bridge} up`);
      await ip(`-n ${space} addr add ${nodeAddress(network, node)}/24 dev eth0`);
      await ip(`-n ${space} link set eth0 up`);
      await ip(`-n ${space} link set lo up`);
    }
  }

  async #removeNetwork(): Promise<void> {
    for (const node of NODES) {
      await command("ip", ["netns", "del", this.#space(node)]);
      await command("ip", ["link", "del", this.#link(node)]);
    }
    await command("ip", ["link", "del", `${this.prefix}b`]);
  }
}

if (import.meta.main) {
  const wants = (name: string) => Deno.args.includes(name);
  await using cluster = await SlurmCluster.start({
    accounting: wants("accounting"),
    namespaces: wants("namespaces"),
  });
  // deno-lint-ignore no-console
  console.log(`export SLURM_CONF=${cluster.env.SLURM_CONF}\nCtrl-C stops it`);
  await new Promise<void>((resolve) => Deno.addSignalListener("SIGINT", resolve));
}
