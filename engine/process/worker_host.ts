import type { StageDefinition, StageRun } from "../../stages/contract.ts";
import { makeContext, ownFolders, runStage } from "./context.ts";
import { messagePrefix, type ParentMessage, type StageEvent, type WorkerMessage } from "./protocol.ts";

/** Loads the stage's own module, which may run whatever it likes at its top. */
export type LoadModule = () => Promise<{ readonly default: unknown }>;

/** Standard input as lines. Ends when the parent closes it or is gone. */
export async function* inputLines(): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of Deno.stdin.readable) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

/**
 * Writes messages to the parent with functions that are taken now, before the stage's code can put others in their place.
 * Storage that outlives a process would be an input that no key knows, so it goes.
 */
export function openChannel(nonce: string): (message: unknown) => void {
  const write = Deno.stdout.writeSync.bind(Deno.stdout);
  const encoder = new TextEncoder();
  const encode = encoder.encode.bind(encoder);
  const stringify = JSON.stringify;
  // Called as a plain function: a method looked up later could be the stage's own, which would then see the nonce.
  const part: (bytes: Uint8Array, from: number) => Uint8Array = Function.prototype.call.bind(
    Uint8Array.prototype.subarray,
  );
  const prefix = messagePrefix(nonce);
  for (const name of ["localStorage", "sessionStorage", "caches", "indexedDB"]) {
    Object.defineProperty(globalThis, name, { value: undefined, configurable: false });
  }
  return (message) => {
    const bytes = encode(`${prefix}${stringify(message)}\n`);
    for (let offset = 0; offset < bytes.length;) offset += write(part(bytes, offset));
  };
}

/** Everything that a stage prints is log. Standard output is kept for messages, so the console goes to standard error. */
function divertConsole(): void {
  for (const name of ["log", "info", "debug", "dir", "table"] as const) {
    // deno-lint-ignore no-console
    console[name] = (...values: unknown[]) => console.error(...values);
  }
}

const PROGRESS_INTERVAL_MS = 100;

/**
 * Drop progress that comes faster than anybody can look, but never the last of a stage, nor the last before it falls
 * silent: whoever looks on then would see it farther back than it is.
 */
function throttleProgress(send: (event: StageEvent) => void): (event: StageEvent) => void {
  let last = -Infinity;
  let timer: ReturnType<typeof setTimeout> | undefined;
  return (event) => {
    if (event.type === "progress") {
      clearTimeout(timer);
      const now = performance.now();
      if (now - last < PROGRESS_INTERVAL_MS && event.update.done < event.update.total) {
        timer = setTimeout(() => send(event), PROGRESS_INTERVAL_MS);
        return;
      }
      last = now;
    }
    send(event);
  };
}

/** The life of a worker: read the start message, load and run the stage, say how it ended, leave. */
export async function serveStage(load: LoadModule): Promise<void> {
  divertConsole();
  const lines = inputLines();
  const first = await lines.next();
  if (first.done) Deno.exit(1);
  const start = JSON.parse(first.value) as ParentMessage;
  if (start.type !== "start") throw new Error(`Cannot happen: the first message is ${start.type}`);
  const send: (message: WorkerMessage) => void = openChannel(start.nonce);
  const exit = Deno.exit.bind(Deno);
  const parse = JSON.parse;

  const stop = new AbortController();
  const listen = async () => {
    for await (const line of lines) {
      if ((parse(line) as ParentMessage).type === "stop") stop.abort();
    }
    // The parent closed the channel or died; nobody will publish what this worker does.
    exit(1);
  };
  listen();

  const folders = ownFolders(start);
  const stage = (await load()).default as StageRun | StageDefinition;
  const run = typeof stage === "function" ? stage : stage.run;
  const outcome = await runStage(run, makeContext(start, stop.signal, throttleProgress(send)), folders);
  if (outcome.status === "crashed") send({ type: "crash", message: outcome.message, stack: outcome.stack });
  else if (outcome.status !== "lost" && outcome.status !== "timeout") send({ type: "end", end: outcome });
  exit(0);
}
