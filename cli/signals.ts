import process from "node:process";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** First Ctrl-C or SIGTERM: save and stop. Second: stop now. */
export function listenForStop(onStop: (reason: string) => void) {
  const stop = new AbortController();
  const kill = new AbortController();
  const listener = (signal: string) => {
    if (stop.signal.aborted) return kill.abort();
    onStop(`${signal}: stopping: each stage finishes its step and saves; press again to stop now`);
    stop.abort();
  };
  for (const name of SIGNALS) process.on(name, listener);
  return {
    stop: stop.signal,
    kill: kill.signal,
    [Symbol.dispose]: () => {
      for (const name of SIGNALS) process.off(name, listener);
    },
  };
}
