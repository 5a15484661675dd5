/** Reads a file about processes; a process that has ended has none, and those of others are not readable. */
export function readProc(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

/** Returns the names in a folder; none if it cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name);
  } catch {
    return [];
  }
}

/** Sends a signal to a process that may have ended; to its group if the id is negative. */
export function signalTo(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch {
    // The process has ended, or its group has.
  }
}

/** Returns the processes that a process has started; none where there is no /proc. */
function childrenOf(pid: number): number[] {
  const threads = namesIn(`/proc/${pid}/task`);
  return threads.flatMap((name) => readProc(`/proc/${pid}/task/${name}/children`).match(/\d+/g) ?? []).map(Number);
}

/** Returns the processes that a process has started, and those that these have. */
export function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((one) => [one, ...descendantsOf(one)]);
}

/** Returns the ranks that a launcher such as `torchrun` has started, but not what these have started. */
export function ranksOf(pid: number): number[] {
  const isRank = (one: number) => /(^|\0)LOCAL_RANK=/.test(readProc(`/proc/${one}/environ`));
  return childrenOf(pid).flatMap((one) => isRank(one) ? [one] : ranksOf(one));
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
