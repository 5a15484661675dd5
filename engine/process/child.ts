import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import type { DeviceGrants } from "../../schemas/device.ts";
import type { ModuleProgram } from "../keys/program.ts";
import type { ModuleMap, UserCode } from "../keys/stage.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { writeNew } from "../store/files.ts";
import { readTextIfThere, realPath } from "../store/reading.ts";
import { isWithin } from "../store/write_roots.ts";
import { type StageLog, streamText } from "./lines.ts";
import { moduleFlags, WORKER_MODULE } from "./module_lock.ts";
import { gatherPackages } from "./packages.ts";
import { Child, denoFolder, formatMemory, LIMIT_FIXES, MORE_TIME, ownCacheFolder, packageFolder } from "./runtime.ts";
import {
  failed,
  messagePrefix,
  type StageEvent,
  type StageOutcome,
  type StartMessage,
  workerMessageSchema,
} from "./protocol.ts";
import { explainRefusal } from "./refusal.ts";
import { lessMemory } from "../contract/less_memory.ts";
import { parseJson } from "../store/records.ts";

export interface WorkerOptions {
  /** The folder of this run, for the generated entry module. */
  readonly folder: string;
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  /** Hosts that the stage may connect to, beyond those that its kind declares. */
  readonly hosts: readonly string[];
  /** The permissions that the stage's device needs. */
  readonly grants: DeviceGrants;
  readonly timeoutMs: number | undefined;
  /** The memory that the process may hold, in bytes; undefined for no limit. */
  readonly memoryLimit: number | undefined;
  /** Variables that the child gets on top of the inherited environment, such as which GPUs it may use. */
  readonly env: Readonly<Record<string, string>>;
  /** First signal: asks the stage to save and stop. */
  readonly stop: AbortSignal;
  /** Second signal: kills the process. */
  readonly kill: AbortSignal;
  readonly emit: (event: StageEvent) => void;
  readonly log: StageLog;
}

/** The function of the worker module that a worker calls. */
export type WorkerTask = "serveStage" | "describeFile" | "describePipeline";

/** The time that a stage has to finish its step and save, once it was asked to stop. */
export const STOP_GRACE_MS = 15 * 60_000;
/**
 * The time that a process has to exit once its stage has ended: something that the stage left behind may keep it alive.
 */
const EXIT_GRACE_MS = 5_000;

/**
 * Writes a worker's entry module. The entry imports the toolkit's module first, so that it can save references to
 * built-ins before the stage's code could replace them. An import with a literal name needs no permission, so the
 * project itself is never granted.
 */
export function writeEntry(folder: string, entry: string, task: WorkerTask, codes: readonly UserCode[] = []): string {
  const path = join(folder, `${task}.ts`);
  const load = (url: string) => `() => import(${JSON.stringify(url)})`;
  const loads = codes.map(({ file }) => load(pathToFileURL(file).href)).join(", ");
  const lines = [
    `import { ${task} } from ${JSON.stringify(WORKER_MODULE)};`,
    `await ${task}(${load(entry)}${loads && `, [${loads}]`});`,
  ];
  writeNew(path, `${lines.join("\n")}\n`);
  return path;
}

/**
 * Returns a worker's permission flags: what the engine gives it, what its kind declares and what its device needs. Deno
 * splits path lists at commas and knows no escape, so paths are written relative to the worker's own folder, which
 * leaves out their common part.
 * @returns the flags, or a path that cannot be granted
 */
function permissionFlags(
  { permissions: { native = [], net = [] } }: Pick<ModuleProgram, "permissions">,
  { folder, hosts, grants, ...options }: WorkerOptions,
  env: readonly string[],
  whereIs: (path: string) => string,
): string[] | { readonly ungrantable: string } {
  const libraries = [...native.map(packageFolder).filter((found) => found !== undefined), ...grants.ffi ?? []];
  const paths = (all: readonly string[]) => all.map((path) => relative(folder, whereIs(path)));
  const read = paths([...options.readable, ...grants.read ?? []]);
  const lists = { read, write: paths(options.writable), ffi: paths(libraries) };
  const ungrantable = Object.values(lists).flat().find((path) => path.includes(","));
  if (ungrantable !== undefined) return { ungrantable };
  const granted = Object.entries({ ...lists, net: [...net, ...hosts], env }).filter(([, all]) => all.length > 0);
  return granted.map(([name, all]) => `--allow-${name}=${all.join(",")}`);
}

/**
 * The flags of every worker. Nothing is fetched while a stage runs. Many packages read NODE_ENV when they are loaded
 * and accept that it is unset; a stage that declares NODE_ENV gets its value.
 */
const CLOSED = ["--no-prompt", "--cached-only", "--deny-import", "--allow-env=NODE_ENV"];

/**
 * Returns how to run a worker: Deno's flags, its environment, and where its packages are.
 * @param map the meaning of module names, if user code runs in the process
 * @param usesCard true if the process may compute by WebGPU, which no permission of Deno's covers
 * @returns `error`: why that is not known
 */
export async function workerOptions(folder: string, map: ModuleMap | undefined, usesCard: boolean = false) {
  const flags = ["run", ...CLOSED, "--no-check", "--quiet", ...moduleFlags(folder, map)];
  if (map === undefined) return { flags, env: {}, whereIs: (path: string) => path };
  const shared = await denoFolder();
  if (typeof shared !== "string") return shared;
  const packages = gatherPackages(shared, map.lock);
  const npm = realPath(join(shared, "npm"));
  return {
    flags: [...flags, "--no-code-cache"],
    // Deno knows no such backend, and then finds no card: not in workers of the stage's own either.
    env: { DENO_DIR: ownCacheFolder(folder, packages, shared), ...!usesCard && { DENO_WEBGPU_BACKEND: "none" } },
    /** Returns the path, within the worker's own cache, of a file or folder of the shared npm cache. */
    whereIs: (path: string) => isWithin(realPath(path), npm) ? join(packages, relative(npm, realPath(path))) : path,
  };
}

/** Runs a module in a process of its own, with only the permissions that its kind declares and its device needs. */
export async function runInChild(
  program: Omit<ModuleProgram, "kind">,
  start: StartMessage,
  options: WorkerOptions,
): Promise<StageOutcome> {
  const module = writeEntry(options.folder, program.entry, "serveStage", program.userCode);
  const names = [...program.permissions.env ?? [], ...options.grants.env ?? []];
  const worker = await workerOptions(options.folder, program.map?.(), start.device?.name === "webgpu");
  if ("error" in worker) return { status: "lost", message: worker.error };
  const permissions = permissionFlags(program, options, names, worker.whereIs);
  if ("ungrantable" in permissions) {
    const message = `cannot grant ${permissions.ungrantable}: Deno does not take paths with a comma`;
    return failed(message, "rename the folder or file");
  }
  const { memoryLimit } = options;
  // V8 stops at some 4 GB however much memory the machine has, so a limit that was set is passed on to V8.
  const heap = memoryLimit === undefined
    ? []
    : [`--v8-flags=--max-old-space-size=${Math.ceil(memoryLimit / (1 << 20))}`];
  const declared = definedOnly(Object.fromEntries(names.map((name) => [name, Deno.env.get(name)])));
  const env = { ...declared, ...options.env, ...worker.env };
  // Disposal kills the stage's process and everything that the stage started.
  using child = new Child([...worker.flags, ...permissions, ...heap, module], {
    cwd: options.folder,
    env,
    timeoutMs: options.timeoutMs,
    memory: memoryLimit,
    kill: options.kill,
  });
  const smaller = lessMemory(start.params).join(", or ") || "use smaller parts";
  let outcome: StageOutcome | undefined;
  const nonce = crypto.randomUUID();
  const prefix = messagePrefix(nonce);
  const readMessages = async (stdout: ReadableStream<Uint8Array>) => {
    for await (const text of streamText(stdout)) {
      // A stage that wrote to standard output itself may have left its line unterminated.
      const at = text.indexOf(prefix);
      if (at !== 0) options.log.keep(at < 0 ? text : text.slice(0, at));
      if (at < 0) continue;
      const message = parseJson(text.slice(at + prefix.length), workerMessageSchema);
      if (message === undefined) options.log.keep(text.slice(at + prefix.length));
      else if (message.type === "end") {
        outcome = message.end;
        child.killAfter(EXIT_GRACE_MS);
      } else options.emit(message);
    }
  };

  try {
    await child.writeLine({ ...start, nonce });
    child.onAbort(options.stop, () => {
      child.writeLine("stop");
      child.killAfter(STOP_GRACE_MS);
    });
    const status = await child.read(readMessages, (text) => options.log.keep(text));
    return explainStop(child, options, { outcome, smaller }) ??
      describeLoss(child, status, options.log.tail(), smaller);
  } finally {
    await child.closeInput();
  }
}

/**
 * Returns the outcome of a process that exceeded its time or memory, that said how it ended, or that was asked to stop;
 * undefined for any other.
 */
export function explainStop(
  { timedOut, overLimitBytes }: Child,
  { timeoutMs, memoryLimit, kill, stop }: Pick<WorkerOptions, "timeoutMs" | "memoryLimit" | "kill" | "stop">,
  { outcome, smaller, step = 0 }: {
    readonly outcome: StageOutcome | undefined;
    readonly smaller: string;
    readonly step?: number;
  },
): StageOutcome | undefined {
  if (timedOut) return { status: "timeout", message: `it ran longer than its timeout of ${timeoutMs! / 1000} s` };
  if (overLimitBytes === undefined) {
    return outcome ?? (kill.aborted || stop.aborted ? { status: "interrupted", step } : undefined);
  }
  const took = `${formatMemory(overLimitBytes)} of memory, over its limit of ${formatMemory(memoryLimit!)}`;
  const fix = `${smaller}, or raise resources: { memory: … } in its definition or in the pipeline`;
  return failed(`it took ${took}; it was stopped`, fix);
}

const CRASHED = "see if all devices work: deno task doctor";
const SIGNAL_FIXES: Partial<Record<Deno.Signal, string>> = {
  ...{ SIGSEGV: CRASHED, SIGBUS: CRASHED, SIGILL: CRASHED, SIGABRT: CRASHED },
  ...LIMIT_FIXES,
};

/** Describes why a process ended without an outcome. */
export function describeLoss(
  { memoryRanOut: killed, peakBytes: most }: Child,
  status: Pick<Deno.CommandStatus, "code" | "signal"> & { readonly isGuess?: boolean },
  said: string,
  smaller: string,
): StageOutcome {
  if (said.includes("JavaScript out of memory") || said.includes("Reached heap limit")) {
    const fix = `${smaller}, or raise the limit with resources: { memory: 8GiB }`;
    return failed("it ran out of memory: JavaScript's own limit was reached", fix);
  }
  if (status.signal !== null) {
    const held = most === 0 ? "" : `; it held ${formatMemory(most)} of memory`;
    const why = killed === true ? "the kernel killed it for want of memory" : "killed from outside, or out of memory";
    const hint = status.signal === "SIGKILL" ? ` (${why}${held})` : "";
    const end = status.isGuess
      ? `it exited with code ${status.code}, as a program does that ${status.signal} ends`
      : `its process ended by ${status.signal}`;
    const message = `${end}${hint}${said === "" ? "" : `\n${said}`}`;
    const other = `if something else ended it, such as a limit of this machine, have that changed`;
    if (hint === "") return { status: "lost", message, fix: SIGNAL_FIXES[status.signal] ?? other };
    const fix = `${smaller}, or use a machine with more memory`;
    if (killed === true) return { status: "lost", message, fix };
    // A limit on processor time that cannot be raised kills by the same signal.
    const isTimed = /^Max cpu time +\d/m.test(readTextIfThere("/proc/self/limits") ?? "");
    return { status: "lost", message, fix: `if memory ran out, ${fix}${isTimed ? `; or ${MORE_TIME}` : ""}` };
  }
  const refused = status.code === 0 ? undefined : explainRefusal(said);
  if (refused !== undefined) return { status: "failed", ...refused };
  if (status.code === 0 || said === "") {
    const code = status.code === 0 ? "" : ` with code ${status.code}`;
    return failed(`its process ended${code} without finishing the stage`, "remove Deno.exit from it");
  }
  return { status: "crashed", message: `its process exited with code ${status.code}`, stack: said };
}
