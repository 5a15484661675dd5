/** Whose something is: processes are named in the ids of runs and in the names of all that is temporary. */
import { userInfo } from "node:os";
import process from "node:process";
import type { RunRecord } from "../../schemas/records.ts";

/** Whether a process of this host is there. Signal 0 asks and does nothing to it. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It is there, but another user's; or this process may not ask.
    return (error as { code?: string }).code === "EPERM" || error instanceof Deno.errors.NotCapable;
  }
}

/** How a run stands: its record says `running` until its end, which one that was killed never wrote. */
export type RunState = RunRecord["status"] | "killed";

/** `20261125T004018123-1a2b`: sorts by start, and two runs of one millisecond still differ. */
export function newRunId(now: Date, pid: number): string {
  return `${now.toISOString().replaceAll(/[-:.Z]/g, "")}-${pid.toString(36)}`;
}

const NAMES = {
  /** Begins with the id of a run, which ends in its process id. */
  run: /^\d{8}T\d{9}-([0-9a-z]+)(?![0-9a-z])/,
  /** Written beside a file and then renamed to it: `index.jsonl.4711.0.tmp`. */
  file: /\.(\d+)\.\d+\.tmp$/,
  /** A view on its way in or out: `.new-train-4711`. */
  view: /^\.(?:new|old)-.+-(\d+)$/,
};

/** The process that made something of such a name; undefined for every other name. */
export function makerOf(what: keyof typeof NAMES, name: string): number | undefined {
  const pid = NAMES[what].exec(name)?.[1];
  return pid === undefined ? undefined : parseInt(pid, what === "run" ? 36 : 10);
}

/** Whether a name is of something that a process made which is gone. */
export function isAbandoned(what: keyof typeof NAMES, name: string): boolean {
  const pid = makerOf(what, name);
  return pid !== undefined && !isRunning(pid);
}

/** Who this is. In containers a user may have no name. */
export function currentUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${Deno.uid()}`;
  }
}
