import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import type { DeviceGrants } from "../../stages/contract.ts";
import type { Kind } from "../kind.ts";
import { copyFile, writeNew } from "../store/files.ts";
import {
  messagePrefix,
  type StageEvent,
  type StageOutcome,
  type StartMessage,
  type WorkerMessage,
  workerMessageSchema,
} from "./protocol.ts";
import {
  killGroup,
  packageFolder,
  spawnDeno,
  streamLines,
  TOOLKIT_CONFIG,
  TOOLKIT_LOCK,
  WORKER_MODULE,
} from "./runtime.ts";

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
const LOG_LINES_KEPT = 12;

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
  writeNew(path, `${lines.join("\n")}\n`);
  return path;
}

/**
 * Flags that make a worker see the toolkit's imports. A custom stage may import packages that the toolkit's lock file
 * does not list, so it gets a copy of the lock that Deno may add to.
 */
export function moduleFlags(folder: string, custom: boolean): string[] {
  if (!custom) return ["--cached-only", `--config=${TOOLKIT_CONFIG}`, "--frozen"];
  const lock = join(folder, "deno.lock");
  copyFile(TOOLKIT_LOCK, lock);
  return ["--cached-only", `--config=${TOOLKIT_CONFIG}`, `--lock=${lock}`];
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
    ...moduleFlags(options.folder, kind.custom),
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

  const tail: string[] = [];
  const keep = (line: string) => {
    options.log(line);
    tail.push(line);
    if (tail.length > LOG_LINES_KEPT) tail.shift();
  };
  const prefix = messagePrefix(start.nonce);
  const readMessages = async () => {
    for await (const line of streamLines(child.stdout)) {
      // A stage that wrote to standard output by itself may have left its line open.
      const at = line.indexOf(prefix);
      if (at !== 0) keep(at < 0 ? line : line.slice(0, at));
      if (at < 0) continue;
      const message = parseMessage(line.slice(at + prefix.length));
      if (message === undefined) {
        keep(line);
        continue;
      }
      if (message.type === "end") outcome = message.end;
      else if (message.type === "crash") {
        outcome = { status: "crashed", message: message.message, stack: message.stack };
      } else options.emit(message);
    }
  };
  const readLog = async () => {
    for await (const line of streamLines(child.stderr)) keep(line);
  };

  try {
    await tell(start);
    if (options.stop.aborted) onStop();
    const [status] = await Promise.all([child.status, readMessages(), readLog()]);
    if (timedOut) {
      return { status: "timeout", message: `it ran longer than its timeout of ${options.timeoutMs! / 1000} s` };
    }
    if (outcome !== undefined) return outcome;
    if (options.kill.aborted || options.stop.aborted) return { status: "interrupted", step: 0 };
    return describeLoss(status, tail);
  } finally {
    clearTimeout(timeout);
    clearTimeout(graceTimer);
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

function describeLoss(status: Deno.CommandStatus, tail: readonly string[]): StageOutcome {
  const said = tail.join("\n").trim();
  if (status.signal !== null) {
    const hint = status.signal === "SIGKILL" ? " (killed from outside, or out of memory)" : "";
    return { status: "lost", message: `its process ended by ${status.signal}${hint}${said === "" ? "" : `\n${said}`}` };
  }
  if (status.code === 0) {
    return {
      status: "failed",
      message: "its process ended without finishing the stage",
      fix: "remove Deno.exit from it",
    };
  }
  return { status: "crashed", message: `its process exited with code ${status.code}`, stack: said };
}
