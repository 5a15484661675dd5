import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import type { DeviceGrants } from "../../stages/contract.ts";
import type { Kind } from "../kind.ts";
import { writeNew } from "../store/files.ts";
import { openRoot } from "../store/roots.ts";
import { streamLines } from "./lines.ts";
import { moduleFlags, stageLock } from "./module_lock.ts";
import { formatMemory, watchMemory } from "./memory.ts";
import {
  messagePrefix,
  type StageEvent,
  type StageOutcome,
  type StartMessage,
  type WorkerMessage,
  workerMessageSchema,
} from "./protocol.ts";
import { explainRefusal } from "./refusal.ts";
import { killGroup, packageFolder, spawnDeno, WORKER_MODULE } from "./runtime.ts";
import { StageLog } from "./stage_log.ts";

export interface ChildOptions {
  /** A folder of this one run, for the generated entry module. */
  readonly folder: string;
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  /** Hosts that it may connect to, beyond those that its kind declares. */
  readonly hosts: readonly string[];
  /** What the stage's device needs. */
  readonly grants: DeviceGrants;
  readonly timeoutMs: number | undefined;
  /** What the process may hold, in bytes; no limit where undefined. */
  readonly memoryLimit: number | undefined;
  /** Lock of exactly the packages that a custom stage names; the toolkit's own where undefined. */
  readonly lock: string | undefined;
  /** Set for the child on top of the inherited environment, such as which GPUs it may use. */
  readonly env: Readonly<Record<string, string>>;
  /** First signal: ask the stage to save and stop. */
  readonly stop: AbortSignal;
  /** Second signal: kill it. */
  readonly kill: AbortSignal;
  readonly emit: (event: StageEvent) => void;
  readonly log: (line: string) => void;
}

/** What a worker is started for. */
export type WorkerTask = "serveStage" | "describeStage" | "describePipeline";

/** A stage that was asked to stop has this long to finish its step and save. */
const STOP_GRACE_MS = 15 * 60_000;

/**
 * Write the entry module of a worker. The toolkit's part comes first and takes what it needs before the stage is loaded.
 * An import with a literal name needs no permission, so the project itself is never granted.
 */
export function writeEntry(folder: string, entry: string, task: WorkerTask): string {
  const path = join(folder, `${task}.ts`);
  const lines = [
    `import { ${task} } from ${JSON.stringify(WORKER_MODULE)};`,
    `await ${task}(() => import(${JSON.stringify(entry)}));`,
  ];
  openRoot(folder);
  writeNew(path, `${lines.join("\n")}\n`);
  return path;
}

/**
 * Storage that outlives a process, such as CacheStorage, belongs to a location: with one of its own, no run finds what
 * another left there. It would be an input that no key knows.
 */
export function ownLocation(): string {
  return `--location=http://${crypto.randomUUID()}.invalid/`;
}

/**
 * Permission flags of a worker: what the engine gives it, what its kind declares and what its device needs. Deno splits path lists at commas
 * and knows no escape, so paths are written from the worker's own folder, which leaves out what they have in common.
 * @returns the path that cannot be granted, if there is one
 */
function permissionFlags(kind: Kind, options: ChildOptions): string[] | { readonly ungrantable: string } {
  const { native = [] } = kind.permissions;
  const net = [...kind.permissions.net ?? [], ...options.hosts];
  const { grants } = options;
  const env = [...kind.permissions.env ?? [], ...grants.env ?? []];
  const libraries = [...native.map(packageFolder).filter((folder) => folder !== undefined), ...grants.ffi ?? []];
  const readable = [...options.readable, ...grants.read ?? []];
  const paths = (all: readonly string[]) => all.map((path) => relative(options.folder, path));
  const lists = { read: paths(readable), write: paths(options.writable), ffi: paths(libraries) };
  const ungrantable = Object.values(lists).flat().find((path) => path.includes(","));
  if (ungrantable !== undefined) return { ungrantable };
  const flags = ["--no-prompt", `--allow-read=${lists.read.join(",")}`, `--allow-write=${lists.write.join(",")}`];
  if (libraries.length > 0) flags.push(`--allow-ffi=${lists.ffi.join(",")}`);
  if (net.length > 0) flags.push(`--allow-net=${net.join(",")}`);
  if (env.length > 0) flags.push(`--allow-env=${env.join(",")}`);
  return flags;
}

/** V8 gives up at some 4 GB whatever the machine has, so a limit that was set is told to it. */
function heapFlags(limit: number | undefined): string[] {
  return limit === undefined ? [] : [`--v8-flags=--max-old-space-size=${Math.ceil(limit / (1 << 20))}`];
}

/** Run a stage in a process of its own, with only the permissions that its kind declares and its device needs. */
export async function runInChild(kind: Kind, start: StartMessage, options: ChildOptions): Promise<StageOutcome> {
  const entry = kind.entry.startsWith("file:") ? kind.entry : pathToFileURL(kind.entry).href;
  const module = writeEntry(options.folder, entry, "serveStage");
  const permissions = permissionFlags(kind, options);
  if ("ungrantable" in permissions) {
    return {
      status: "failed",
      message: `cannot grant ${permissions.ungrantable}: Deno does not take paths with a comma`,
      fix: "rename the folder or file",
    };
  }
  const flags = [
    ...permissions,
    ...moduleFlags(stageLock(options.folder, options.lock), true),
    ...(kind.custom ? [ownLocation()] : []),
    ...heapFlags(options.memoryLimit),
    "--no-check",
    "--quiet",
  ];
  const child = spawnDeno(["run", ...flags, module], { cwd: options.folder, env: options.env });

  const stdin = child.stdin.getWriter();
  const tell = async (message: unknown) => {
    try {
      await stdin.write(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
    } catch {
      // The child is gone; its status says more than the broken pipe.
    }
  };
  let outcome: StageOutcome | undefined;
  let timedOut = false;
  let held: number | undefined;
  let graceTimer: ReturnType<typeof setTimeout> | undefined;
  const onStop = () => {
    tell({ type: "stop" });
    graceTimer = setTimeout(() => killGroup(child), STOP_GRACE_MS);
  };
  const onKill = () => killGroup(child);
  options.stop.addEventListener("abort", onStop);
  options.kill.addEventListener("abort", onKill);
  const timeout = options.timeoutMs === undefined ? undefined : setTimeout(() => {
    timedOut = true;
    killGroup(child);
  }, options.timeoutMs);

  const unwatch = options.memoryLimit === undefined
    ? undefined
    : watchMemory(child.pid, options.memoryLimit, (bytes) => {
      held = bytes;
      killGroup(child);
    });

  const log = new StageLog(options.log);
  const prefix = messagePrefix(start.nonce);
  const readMessages = async () => {
    for await (const line of streamLines(child.stdout)) {
      // A stage that wrote to standard output by itself may have left its line open.
      const at = line.indexOf(prefix);
      if (at !== 0) log.keep(at < 0 ? line : line.slice(0, at));
      if (at < 0) continue;
      const message = parseMessage(line.slice(at + prefix.length));
      if (message === undefined) {
        log.keep(line);
        continue;
      }
      if (message.type === "end") outcome = message.end;
      else if (message.type === "crash") {
        outcome = { status: "crashed", message: message.message, stack: message.stack };
      } else options.emit(message);
    }
  };
  const readLog = async () => {
    for await (const line of streamLines(child.stderr)) log.keep(line);
  };

  try {
    await tell(start);
    if (options.stop.aborted) onStop();
    const [status] = await Promise.all([child.status, readMessages(), readLog()]);
    if (timedOut) {
      return { status: "timeout", message: `it ran longer than its timeout of ${options.timeoutMs! / 1000} s` };
    }
    if (held !== undefined) return overLimit(held, options.memoryLimit!);
    if (outcome !== undefined) return outcome;
    if (options.kill.aborted || options.stop.aborted) return { status: "interrupted", step: 0 };
    return describeLoss(status, log.tail());
  } finally {
    clearTimeout(timeout);
    clearTimeout(graceTimer);
    unwatch?.();
    log.close();
    options.stop.removeEventListener("abort", onStop);
    options.kill.removeEventListener("abort", onKill);
    // Whatever the stage started dies with it.
    killGroup(child);
    await stdin.close().catch(() => {});
  }
}

function parseMessage(text: string): WorkerMessage | undefined {
  try {
    const parsed = workerMessageSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data as WorkerMessage : undefined;
  } catch {
    return undefined;
  }
}

function overLimit(held: number, limit: number): StageOutcome {
  return {
    status: "failed",
    message: `it took ${formatMemory(held)} of memory, over its limit of ${formatMemory(limit)}, and was stopped`,
    fix: "work in smaller parts, or raise resources: { memory: … } in its definition or in the pipeline",
  };
}

function describeLoss(status: Deno.CommandStatus, said: string): StageOutcome {
  if (said.includes("JavaScript out of memory") || said.includes("Reached heap limit")) {
    return {
      status: "failed",
      message: "it ran out of memory: JavaScript's own limit was reached",
      fix: "work in smaller parts, or give it more with resources: { memory: 8GiB }",
    };
  }
  if (status.signal !== null) {
    const hint = status.signal === "SIGKILL" ? " (killed from outside, or out of memory)" : "";
    return { status: "lost", message: `its process ended by ${status.signal}${hint}${said === "" ? "" : `\n${said}`}` };
  }
  const refused = status.code === 0 ? undefined : explainRefusal(said);
  if (refused !== undefined) return { status: "failed", ...refused };
  if (status.code === 0 || said === "") {
    return {
      status: "failed",
      message: status.code === 0
        ? "its process ended without finishing the stage"
        : `its process ended with code ${status.code} without finishing the stage`,
      fix: "remove Deno.exit from it",
    };
  }
  return { status: "crashed", message: `its process exited with code ${status.code}`, stack: said };
}
