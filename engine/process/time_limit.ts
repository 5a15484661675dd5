import { namesIn, readProc } from "./process_tree.ts";

/** The most time that a process may wait for a processor, in limits of its time. */
const MOST_WAITING = 9;
/** A longer timer would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Returns how long a thread of a process has been ready and had no processor, in milliseconds: the one that waited
 * longest. 0 where that is not known.
 */
function waitedMs(pid: number): number {
  const threads = namesIn(`/proc/${pid}/task`);
  const waits = threads.map((name) => Number(readProc(`/proc/${pid}/task/${name}/schedstat`).split(" ")[1] ?? 0) / 1e6);
  return Math.max(0, ...waits);
}

interface TimeLimit {
  readonly limitMs: number;
  /** True if time in which the process waits for a busy processor does not count. */
  readonly excludesWaiting: boolean;
}

/**
 * Tells once a process has had its time.
 * @returns a function that ends the watch
 */
export function limitTime(pid: number, { limitMs, excludesWaiting }: TimeLimit, tell: () => void): () => void {
  const beganMs = performance.now();
  let timer: ReturnType<typeof setTimeout>;
  const look = () => {
    const waitingMs = excludesWaiting ? Math.min(MOST_WAITING * limitMs, waitedMs(pid)) : 0;
    const leftMs = beganMs + limitMs + waitingMs - performance.now();
    if (leftMs <= 0) tell();
    else timer = setTimeout(look, Math.min(Math.ceil(leftMs), LONGEST_TIMER_MS));
  };
  look();
  return () => clearTimeout(timer);
}
