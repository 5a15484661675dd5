/** Finds the process that made something: ids of runs and the names of everything temporary contain a process id. */
import { userInfo } from "node:os";
import process from "node:process";
import type { RunRecord } from "../../schemas/records.ts";

/** True if a process exists on this host. Signal 0 only asks and does nothing to the process. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // The process exists but is another user's, or this process may not ask.
    return (error as { code?: string }).code === "EPERM" || error instanceof Deno.errors.NotCapable;
  }
}

/** Reads a file about a process; a process that has ended has none, and those of others are not readable. */
function readProc(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function namesIn(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name);
  } catch {
    return [];
  }
}

/** Returns the processes that a process has started, and those that these have; none where there is no /proc. */
export function descendantsOf(pid: number): number[] {
  const threads = namesIn(`/proc/${pid}/task`);
  const children = threads.flatMap((name) => readProc(`/proc/${pid}/task/${name}/children`).match(/\d+/g) ?? []);
  return children.flatMap((one) => [Number(one), ...descendantsOf(Number(one))]);
}

/**
 * Returns the processes that have a text in their environment, or are in a process group: those that a program left
 * behind, wherever they went. Their names are for messages.
 */
export function processesWith(text: string, group: number): { readonly pid: number; readonly name: string }[] {
  const pids = namesIn("/proc").map(Number);
  return pids.filter((pid) => pid > 0 && pid !== Deno.pid).flatMap((pid) => {
    // `pid (name) state parent group`, and a name may hold anything.
    const [, name = "", state, of] = /^\d+ \(([^]*)\) (\w) \d+ (\d+)/.exec(readProc(`/proc/${pid}/stat`)) ?? [];
    const isOurs = Number(of) === group || readProc(`/proc/${pid}/environ`).includes(text);
    return isOurs && state !== "Z" ? [{ pid, name }] : [];
  });
}

/** The state of a run. The record of a run says `running` until its end, which a killed run never wrote. */
export type RunState = RunRecord["status"] | "killed";

/** `20261125T004018123-1a2b`: sorts by start time; two runs that start in the same millisecond still differ. */
export function newRunId(now: Date, pid: number): string {
  return `${now.toISOString().replaceAll(/[-:.Z]/g, "")}-${pid.toString(36)}`;
}

const NAMES = {
  /** Begins with the id of a run, which ends in the process id. */
  run: /^\d{8}T\d{9}-([0-9a-z]+)(?![0-9a-z])/,
  /** The name under which a file is written before it is renamed: `index.jsonl.4711.0.tmp`. */
  file: /\.(\d+)\.\d+\.tmp$/,
  /** A view that is being swapped in or out: `.new-train-4711`. */
  view: /^\.(?:new|old)-.+-(\d+)$/,
};

/** Returns the id of the process that made something with such a name; undefined for every other name. */
export function pidInName(what: keyof typeof NAMES, name: string): number | undefined {
  const pid = NAMES[what].exec(name)?.[1];
  return pid === undefined ? undefined : parseInt(pid, what === "run" ? 36 : 10);
}

/** True if a name belongs to something whose process is gone. */
export function isAbandoned(what: keyof typeof NAMES, name: string): boolean {
  const pid = pidInName(what, name);
  return pid !== undefined && !isRunning(pid);
}

/** The name of the current user. In containers a user may have no name. */
export function currentUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${Deno.uid()}`;
  }
}
