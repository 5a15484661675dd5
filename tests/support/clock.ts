/** The clocks that tests read; a rule of `deno lint` allows no others. No test asserts a time. */

/** Returns a time in milliseconds since the epoch, for the ages of files and records. */
export function timeIn({ days = 0, hours = 0, seconds = 0 }: Partial<Record<"days" | "hours" | "seconds", number>>) {
  return Date.now() + ((days * 24 + hours) * 3_600 + seconds) * 1_000;
}

/** Returns the duration of some work, from which a test chooses the moments at which it kills the same work. */
export async function durationOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Keeps the processor busy, so that no timer of this process can fire meanwhile. */
export function keepBusy(ms: number): void {
  const started = performance.now();
  while (performance.now() - started < ms);
}

/** Sets this process's clocks forward until it is disposed of. */
export function setForward(ms: number): Disposable {
  const [now, ticks] = [Date.now, performance.now.bind(performance)];
  Date.now = () => now() + ms;
  performance.now = () => ticks() + ms;
  return {
    [Symbol.dispose]() {
      Date.now = now;
      performance.now = ticks;
    },
  };
}
