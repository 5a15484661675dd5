import type { OwnDefinition, StageDefinition, StageRun } from "../../contract/stage.ts";
import { inputFolders, makeContext, runStage } from "./context.ts";
import { messagePrefix, type StageEvent, type StartMessage } from "./protocol.ts";

/** Loads the stage's own module, which may run whatever it likes at its top. */
export type LoadModule = () => Promise<{ readonly default: unknown }>;

// All that the channel needs is taken now, before a stage's code can put other things in their place, and called as plain
// functions: whatever is looked up later, even the length of an array, could be the stage's own, which would then see
// the secret that marks a message.
const Bytes = Uint8Array;
const Memory = ArrayBuffer;
const call = Function.prototype.call;
const stringify = JSON.stringify;
const textEncoder = new TextEncoder();
const encode = textEncoder.encode.bind(textEncoder);
const write = Deno.stdout.writeSync.bind(Deno.stdout);
const copyInto: (to: Uint8Array, from: Uint8Array, at: number) => void = call.bind(Bytes.prototype.set);
const lengthOf: (bytes: Uint8Array) => number = call.bind(
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Bytes.prototype), "length")!.get!,
);

/** @returns the first line on standard input, and whether more of it came at once */
function readFirstLine(): { readonly line: string; readonly more: boolean } {
  const decoder = new TextDecoder();
  const chunk = new Bytes(1 << 16);
  for (let line = "";;) {
    const size = Deno.stdin.readSync(chunk);
    if (size === null) Deno.exit(1);
    const end = chunk.subarray(0, size).indexOf(10);
    line += decoder.decode(chunk.subarray(0, end < 0 ? size : end), { stream: true });
    chunk.fill(0);
    if (end >= 0) return { line, more: end + 1 < size };
  }
}

/**
 * Take the parent's question, and answer with messages that begin with the secret that came with it. From here on the
 * secret is only in bytes that nothing but `send` refers to: a text would stand in the pictures of its memory that any
 * code may take (`v8.getHeapSnapshot`).
 * @returns what the parent wants, and whether it said more already
 */
export function openChannel<T>() {
  const { line, more } = readFirstLine();
  const { nonce, ...question } = JSON.parse(line) as { nonce: string };
  const prefix = encode(messagePrefix(nonce));
  const begin = lengthOf(prefix);
  const send = (message: unknown) => {
    const text = encode(`${stringify(message)}\n`);
    const size = begin + lengthOf(text);
    const memory = new Memory(size);
    copyInto(new Bytes(memory), prefix, 0);
    copyInto(new Bytes(memory), text, begin);
    for (let at = 0; at < size;) at += write(new Bytes(memory, at));
  };
  return { question: question as T, more, send };
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

/**
 * The life of a worker: read what is wanted, load and run the stage, say how it ended, leave.
 * @param loadOwn the user's definitions, in the order of `start.definitions`
 */
export async function serveStage(load: LoadModule, loadOwn: readonly LoadModule[] = []): Promise<void> {
  divertConsole();
  const { question: start, more, send } = openChannel<StartMessage>();
  const exit = Deno.exit.bind(Deno);
  const read = Deno.stdin.read.bind(Deno.stdin);
  const later = setTimeout;

  const stop = new AbortController();
  if (more) stop.abort();
  const listen = async () => {
    // Whatever else the parent says asks for an end.
    while (await read(new Bytes(64)) !== null) stop.abort();
    // The parent closed the channel or died; nobody will publish what this worker does.
    exit(1);
  };
  listen();

  const made = makeContext(start, stop.signal, throttleProgress(send));
  const inputs = inputFolders(start);
  const stage = (await load()).default as StageRun | StageDefinition;
  const definitions: OwnDefinition[] = [];
  // One after the other, and after the toolkit's own code.
  for (const own of start.definitions ?? []) {
    definitions.push({ ...own, definition: (await loadOwn[definitions.length]!()).default });
  }
  const context = { ...made, definitions };
  const run = typeof stage === "function" ? stage : stage.run;
  const outcome = await runStage(run, context, inputs);
  // What the stage left to fail, such as a promise that it forgot to await, ends the process before it is called done.
  await new Promise((resolve) => later(resolve));
  send({ type: "end", end: outcome });
  exit(0);
}
