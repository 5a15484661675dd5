/** Finds the process that made something: ids of runs and the names of everything temporary contain a process id. */
import process from "node:process";
import { join } from "node:path";
import type { RunRecord } from "../../schemas/records.ts";
import { entriesOf } from "./reading.ts";

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

/** Returns the paths in a folder that belong to runs whose processes are gone. @param prefix stands before their ids */
export function abandonedIn(folder: string, prefix: string = ""): string[] {
  const names = entriesOf(folder).map(({ name }) => name).filter((name) => name.startsWith(prefix));
  return names.filter((name) => isAbandoned("run", name.slice(prefix.length))).map((name) => join(folder, name));
}
