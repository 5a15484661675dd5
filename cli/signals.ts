/** First Ctrl-C or SIGTERM: save and stop. Second: stop now. */
export function listenForStop(onStop: (reason: string) => void) {
  const stop = new AbortController();
  const kill = new AbortController();
  const handle = (signal: string) => () => {
    if (stop.signal.aborted) {
      kill.abort();
      return;
    }
    onStop(`${signal}: stopping: each stage finishes its step and saves; press again to stop now`);
    stop.abort();
  };
  const handlers = (["SIGINT", "SIGTERM"] as const).filter((name) => Deno.build.os !== "windows" || name === "SIGINT")
    .map((name) => ({ name, listener: handle(name) }));
  for (const { name, listener } of handlers) Deno.addSignalListener(name, listener);
  return {
    stop: stop.signal,
    kill: kill.signal,
    [Symbol.dispose]: () => {
      for (const { name, listener } of handlers) Deno.removeSignalListener(name, listener);
    },
  };
}
