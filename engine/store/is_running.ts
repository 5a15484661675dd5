import process from "node:process";

/** Whether a process of this host is there. Signal 0 asks and does nothing to it. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It is there, but another user's.
    return (error as { code?: string }).code === "EPERM";
  }
}
