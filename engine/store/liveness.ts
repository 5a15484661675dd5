import { hostname } from "node:os";
import type { RunRecord } from "../../schemas/records.ts";
import { isRunning } from "./is_running.ts";

/** How a run stands: its record says `running` until its end, which one that was killed never wrote. */
export type RunState = RunRecord["status"] | "killed";

/** Of another host's process nothing can be known, so it counts as running. */
export function runState({ status, host, pid }: RunRecord): RunState {
  if (status !== "running" || host !== hostname()) return status;
  return isRunning(pid) ? "running" : "killed";
}
