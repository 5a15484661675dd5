import { dirname, join } from "node:path";
import { findPackageJSON } from "node:module";
import { definedOnly } from "../../std/defined_only.ts";
import { makeFolder } from "../store/files.ts";
import { descendantsOf, signalTo } from "./process_tree.ts";
import { limitTime } from "./time_limit.ts";
import { isThere, readTextIfThere } from "../store/reading.ts";
import { StageLog, streamText } from "./lines.ts";
import { findProgram } from "./programs.ts";
import { memoryKills, raiseOomScore, totalMemory } from "./memory.ts";

/**
 * Returns a command prefix that makes the kernel kill the child when this process dies, for whatever reason. Linux
 * only; elsewhere the child notices that its standard input has ended.
 */
export function parentDeathGuard(): readonly string[] {
  const setpriv = Deno.build.os === "linux" ? findProgram("setpriv", "/") : undefined;
  return setpriv === undefined ? [] : [setpriv, "--pdeathsig", "KILL"];
}

/**
 * Returns the folder of an installed npm package, to which loading of native code is limited; undefined if the package
 * is not installed.
 */
export function packageFolder(name: string): string | undefined {
  try {
    const manifest = findPackageJSON(name, import.meta.url);
    return manifest && dirname(manifest);
  } catch {
    return undefined;
  }
}

/**
 * Patterns of the variables that a child inherits: those that locate programs, folders, registries and certificates,
 * and those that set up device libraries. Any other variable could be an untracked input, or reach a server: an
 * `.npmrc` beside a stage may send any of the child's variables to an address of its own.
 */
const KEPT_NAMES = [
  "PATH|HOME|USER|LOGNAME|TMPDIR|TMP|TEMP|DENO_(DIR|CERT|TLS_CA_STORE|WEBGPU_BACKEND)|NODE_EXTRA_CA_CERTS",
  "NPM_CONFIG_REGISTRY|GLIBC_TUNABLES",
  "USERPROFILE|LOCALAPPDATA|APPDATA|PROGRAMDATA|PROGRAMFILES.*|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT",
  "(XDG|LD|DYLD|SSL_CERT|CUDA|CUDNN|NVIDIA|TF|XLA|G?OMP|MKL|KMP|VK|MESA|LIBGL)_.*|(HTTPS?|NO|ALL)_PROXY",
];
const KEPT_VARIABLES = new RegExp(`^(${KEPT_NAMES.join("|")})$`, "i");

/** The time zone and the locale of every child: the machine's own would show in dates, numbers and sort order. */
const SAME_EVERYWHERE = { TZ: "UTC", LC_ALL: "C.UTF-8", LANG: "C.UTF-8" };

/**
 * Settings of libraries that must be set before a process starts, unless the user has set them.
 *
 * glibc's allocator uses pages of 2 MiB where the kernel gives them on request: processors then find the tensors of a
 * training step with fewer page look-ups. glibc 2.36 has a bug: it compares the kernel's answer with uninitialised
 * bytes, so about half of all processes get huge pages, at random.
 *
 * Threads of GNU's OpenMP, which PyTorch has, sleep after fractions of a millisecond of waiting, not after several: on
 * busy processors they took the time of those that they waited for (docs/performance.md).
 */
export const LIBRARY_SETTINGS = { GLIBC_TUNABLES: "glibc.malloc.hugetlb=1", GOMP_SPINCOUNT: "10000" };

interface ChildOptions {
  /** True for a program of the user's: the arguments are its whole command line, and it gets no variables but `env`. */
  readonly bare?: boolean;
  readonly cwd?: string | undefined;
  /** Variables that the child gets in addition. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number | undefined;
  /** True if time in which the process waits for a busy processor does not count. */
  readonly excludesWaiting?: boolean;
  /** The memory that the process may hold, in bytes. */
  readonly memory: number | undefined;
  /** Kills the process. */
  readonly kill?: AbortSignal | undefined;
}

/**
 * Starts a child in a process group of its own, so that the terminal's Ctrl-C reaches only the parent. Every child is
 * started here.
 */
function spawnChild(args: readonly string[], { cwd, env, bare = false }: ChildOptions): Deno.ChildProcess {
  const [program, ...rest] = [...parentDeathGuard(), ...bare ? [] : [Deno.execPath()], ...args];
  const inherited = Object.entries(Deno.env.toObject()).filter(([name]) => KEPT_VARIABLES.test(name));
  const child = new Deno.Command(program!, {
    args: rest,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    detached: true,
    clearEnv: true,
    env: bare ? { ...env } : {
      ...LIBRARY_SETTINGS,
      ...Object.fromEntries(inherited),
      ...SAME_EVERYWHERE,
      NO_COLOR: "1",
      DENO_NO_UPDATE_CHECK: "1",
      ...env,
    },
    ...definedOnly({ cwd }),
  }).spawn();
  raiseOomScore(child.pid);
  return child;
}

/**
 * A process of Deno, or of a program of the user's. It ends when it exceeds its time or memory, when it is told to, and
 * when this object is disposed of; every process that it started ends with it.
 */
export class Child implements Disposable {
  timedOut = false;
  /** The memory that the process held, in bytes, when that was too much. */
  overLimitBytes: number | undefined;
  /** The most memory that the process was seen to hold, in bytes. */
  peakBytes = 0;
  readonly pid: number;
  /** Resolves when the process itself has ended; others may still write to its streams. */
  readonly ended: Promise<Deno.CommandStatus>;
  readonly #timeoutMs: number | undefined;
  readonly #kills = memoryKills();
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #end = new DisposableStack();

  constructor(args: readonly string[], options: ChildOptions) {
    const child = this.#child = spawnChild(args, options);
    this.pid = child.pid;
    this.ended = child.status;
    this.#stdin = child.stdin.getWriter();
    const kill = () => this.kill();
    this.#end.defer(kill);
    const { timeoutMs, excludesWaiting = false, memory, bare = false } = options;
    this.#timeoutMs = timeoutMs;
    if (timeoutMs !== undefined) {
      const tell = () => {
        this.timedOut = true;
        kill();
      };
      this.#end.defer(limitTime(child.pid, { limitMs: timeoutMs, excludesWaiting }, tell));
    }
    if (memory !== undefined || Deno.build.os === "linux") {
      const look = () => bare ? heldByTree(child.pid, memory ?? Infinity) : heldBytes(child.pid);
      this.#end.defer(watchMemory(look, (held) => {
        this.peakBytes = Math.max(this.peakBytes, held);
        if (held <= (memory ?? Infinity)) return;
        this.overLimitBytes ??= held;
        kill();
      }));
    }
    if (options.kill !== undefined) this.onAbort(options.kill, kill);
  }

  /** Calls a function when a signal is aborted, or now if it was. */
  onAbort(signal: AbortSignal, act: () => void): void {
    signal.addEventListener("abort", act);
    this.#end.defer(() => signal.removeEventListener("abort", act));
    if (signal.aborted) act();
  }

  /** Kills the process if it still runs after a time. */
  killAfter(graceMs: number): void {
    const timer = setTimeout(() => this.kill(), graceMs);
    this.#end.defer(() => clearTimeout(timer));
  }

  /** True if the kernel has killed a process for want of memory meanwhile; undefined if unknown. */
  get memoryRanOut(): boolean | undefined {
    return this.#kills === undefined ? undefined : memoryKills()! > this.#kills;
  }

  /** The time or memory by which the process exceeded a limit, in words. */
  get exceeded(): string | undefined {
    if (this.overLimitBytes !== undefined) return `${formatMemory(this.overLimitBytes)} of memory`;
    return this.timedOut ? `more than ${this.#timeoutMs! / 1000} s` : undefined;
  }

  /** Kills the process and everything that it started. */
  kill(): void {
    // Detached children lead a group of their own; Windows has none.
    signalTo(Deno.build.os === "windows" ? this.pid : -this.pid, "SIGKILL");
  }

  /** Writes a message to the child's standard input, as a line. */
  async writeLine(message: unknown): Promise<void> {
    // If the child is gone, its exit status says more than the broken pipe.
    await this.#stdin.write(new TextEncoder().encode(`${JSON.stringify(message)}\n`)).catch(() => {});
  }

  /** Closes the child's standard input. */
  async closeInput(): Promise<void> {
    await this.#stdin.close().catch(() => {});
  }

  /** Reads what the child prints until it ends; both streams are read to their ends. */
  async read(
    takeOutput: (stdout: ReadableStream<Uint8Array>) => Promise<void>,
    takeText: (text: string) => void,
  ): Promise<Deno.CommandStatus> {
    const listen = async () => {
      for await (const text of streamText(this.#child.stderr)) takeText(text);
    };
    const [status] = await Promise.all([this.ended, takeOutput(this.#child.stdout), listen()]);
    return status;
  }

  [Symbol.dispose](): void {
    this.#end.dispose();
  }
}

export const MORE_TIME = "let it take more processor time, as by `ulimit -t unlimited`";
/** For signals by which a limit of the shell ends a process: how to raise the limit. */
export const LIMIT_FIXES: Partial<Record<Deno.Signal, string>> = {
  SIGXCPU: MORE_TIME,
  SIGXFSZ: "let it write larger files, as by `ulimit -f unlimited`",
  // JavaScript's engine ends so where it gets no memory.
  SIGTRAP: "if memory ran out, let it take more, as by `ulimit -v unlimited`",
};

/** Limits on loading modules: no machine needs more for it, however busy it is. */
export const LOADING_LIMITS = { timeoutMs: 20_000, excludesWaiting: true, memory: 2 ** 31 };
/** The most standard output that is kept, in bytes. The module graph of the largest program is some megabytes. */
const MAX_OUTPUT = 256 << 20;

/**
 * Lets Deno load modules: inspect them, fetch them, or run the toolkit's own.
 * @param onLine called with each line of standard error
 * @returns standard output, and the end of standard error, or how a process ended that said nothing
 */
export async function loadModules(
  args: readonly string[],
  options: Partial<ChildOptions> = {},
  onLine?: (line: string) => void,
): Promise<{ readonly success: boolean; readonly stdout: string; readonly said: string }> {
  using child = new Child(args, { ...LOADING_LIMITS, ...options });
  await child.closeInput();
  const chunks: Uint8Array[] = [];
  const takeOutput = async (stdout: ReadableStream<Uint8Array>) => {
    let size = 0;
    for await (const chunk of stdout) if ((size += chunk.length) <= MAX_OUTPUT) chunks.push(chunk);
  };
  const log = new StageLog(() => {});
  const { success, signal, code } = await child.read(takeOutput, (text) => {
    log.keep(text);
    if (onLine !== undefined) text.split("\n").forEach(onLine);
  });
  const end = signal === null ? `deno ${args[0]} ended with code ${code}` : `deno ${args[0]} was ended by ${signal}`;
  // Where Deno gets no memory, it prints nothing but addresses in its own code.
  const fix = LIMIT_FIXES[signal!];
  const last = fix === undefined ? log.tail() || end : `${end}: ${fix}`;
  const said = child.exceeded === undefined ? last : `it took ${child.exceeded} and was stopped`;
  return { success, stdout: await new Blob(chunks as BlobPart[]).text(), said };
}

/** The target of an import, and the position of the import in its module, counted from 0. */
interface ImportTarget {
  readonly specifier?: string;
  readonly span: { readonly start: Readonly<Record<"line" | "character", number>> };
}

/** Deno's description of a module and everything that it imports. */
export interface ModuleGraph {
  /** Deno's own cache folder, if no module was named. */
  readonly denoDir?: string;
  readonly redirects?: Readonly<Record<string, string>>;
  readonly modules: readonly {
    readonly specifier: string;
    /** The path, if the module is a file. */
    readonly local?: string;
    readonly error?: string;
    readonly npmPackage?: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      /** Absent for a type-only import. */
      readonly code?: ImportTarget;
      readonly type?: ImportTarget;
      readonly isDynamic?: boolean;
      readonly assertionType?: string;
    }[];
  }[];
}

/**
 * Lets Deno find everything that a module imports, without running it; without a module Deno describes itself.
 * @param flags the flags by which Deno finds modules
 * @param options the folder to look from, and limits other than {@linkcode LOADING_LIMITS}
 */
export async function askGraph(
  flags: readonly string[],
  module: string | readonly [],
  options: Partial<ChildOptions> = {},
): Promise<ModuleGraph | { readonly error: string }> {
  const { success, stdout, said } = await loadModules(["info", "--json", ...flags, ...[module].flat()], options);
  try {
    return success ? JSON.parse(stdout) : { error: said.replace(/\n\s*Stack backtrace:[^]*/, "") };
  } catch {
    return { error: "what deno info answers is not whole" };
  }
}

let sharedFolder: string | undefined;

/** Returns Deno's own cache folder on this machine, or why Deno does not name it. */
export async function denoFolder(): Promise<string | { readonly error: string }> {
  if (sharedFolder !== undefined) return sharedFolder;
  const answer = await askGraph([], []);
  return "error" in answer ? answer : sharedFolder = answer.denoDir!;
}

/**
 * Makes a Deno cache folder for one run of user code, with the given packages. Deno keeps databases of its cache folder
 * open, and even code without permissions can write to any open file by its number (`process.binding("pipe_wrap")`): it
 * could then change what the next programs load. Storage that outlives a process, an untracked input, lies in the cache
 * folder too.
 * @param shared Deno's own cache folder
 */
export function ownCacheFolder(folder: string, packages: string, shared: string): string {
  const own = join(folder, "deno");
  makeFolder(own);
  for (const [name, modules] of [["npm", packages], ["gen", join(shared, "gen")]] as const) {
    if (isThere(modules)) Deno.symlinkSync(modules, join(own, name), { type: "junction" });
  }
  return own;
}

const UNIT_BYTES = { MB: 1e6, GB: 1e9, MiB: 1 << 20, GiB: 1 << 30 } as const;

/** Returns the bytes of `500MB`, `2GiB` and the like, as the schema of resources allows them. */
export function parseMemory(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(MB|GB|MiB|GiB)$/.exec(text)!;
  return Number(amount) * UNIT_BYTES[unit as keyof typeof UNIT_BYTES];
}

export function formatMemory(bytes: number): string {
  return bytes >= 1 << 30 ? `${(bytes / (1 << 30)).toFixed(1)} GiB` : `${Math.round(bytes / (1 << 20))} MiB`;
}

/**
 * Returns the memory limit, in bytes, of a custom stage that declares none: three quarters of the machine, or of the
 * container that limits it. Beyond that the kernel would begin to kill processes.
 */
export function defaultMemoryLimit(): number {
  return Math.floor(totalMemory() * 0.75);
}

/**
 * Returns the memory that a process holds, in bytes, in RAM and swapped out; undefined where it cannot be read, or the
 * process is gone.
 */
async function heldBytes(pid: number): Promise<number | undefined> {
  if (Deno.build.os === "linux") {
    const status = readTextIfThere(`/proc/${pid}/status`) ?? "";
    const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0);
    return (kilobytes("VmRSS") + kilobytes("VmSwap")) * 1024;
  }
  if (Deno.build.os === "windows") return undefined;
  const args = ["-o", "rss=", "-p", String(pid)];
  const { stdout } = await new Deno.Command("/bin/ps", { args, stderr: "null", signal: AbortSignal.timeout(5_000) })
    .output();
  return Number(new TextDecoder().decode(stdout).trim()) * 1024;
}

/**
 * Returns the memory that a process and its descendants hold, in bytes. Processes share pages, which are counted once
 * where the sum would be over the limit: counting them takes long.
 */
async function heldByTree(pid: number, limit: number): Promise<number | undefined> {
  const pids = [pid, ...descendantsOf(pid)];
  const held = await Promise.all(pids.map(heldBytes));
  const sum = held.reduce<number>((total, one) => total + (one ?? 0), 0);
  if (sum <= limit || pids.length === 1) return sum;
  const shares = pids.map((one) => readTextIfThere(`/proc/${one}/smaps_rollup`) ?? "");
  return shares.reduce((total, text) => {
    return total +
      [...text.matchAll(/^(?:Pss|SwapPss):\s+(\d+) kB/gm)].reduce((all, [, kb]) => all + Number(kb) * 1024, 0);
  }, 0);
}

/** One reading costs some 30 µs on Linux, and a process elsewhere. */
const INTERVAL_MS = Deno.build.os === "linux" ? 100 : 1_000;

/**
 * Watches the memory that a process holds: typed arrays and native code take memory that no limit of V8 counts.
 * @param look reads the memory held, in bytes
 * @param onLook called with the memory held, in bytes
 * @returns a function that stops watching
 */
function watchMemory(look: () => Promise<number | undefined>, onLook: (held: number) => void): () => void {
  let looking = false;
  const timer = setInterval(async () => {
    if (looking) return;
    looking = true;
    const held = await look().catch(() => undefined);
    looking = false;
    if (held !== undefined) onLook(held);
  }, INTERVAL_MS);
  return () => clearInterval(timer);
}
