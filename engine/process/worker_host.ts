import type { OwnDefinition, StageDefinition, StageRun } from "../contract/stage.ts";
import { inputFolders, makeContext, runStage } from "./context.ts";
import { messagePrefix, type StartMessage, throttleProgress } from "./protocol.ts";

/** Loads a module of the stage, which may run anything at its top level. */
export type LoadModule = () => Promise<{ readonly default: unknown }>;

// The channel takes everything that it needs now, before a stage's code can replace it, and calls it as plain
// functions: anything that is looked up later, even the length of an array, could be the stage's own code, which would
// then see the secret that marks a message.
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

/** Reads the first line on standard input. @returns the line, and true if more came with it */
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
 * Takes the parent's question, and answers with messages that begin with the secret that came with the question. From
 * here on the secret is only in bytes that nothing but `send` refers to: a string would appear in the heap snapshots
 * that any code may take (`v8.getHeapSnapshot`).
 * @returns the question, true if the parent said more already, and the function that sends a message
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

/**
 * Sends the console to standard error: everything that a stage prints is log, and standard output is kept for messages.
 */
function divertConsole(): void {
  for (const name of ["log", "info", "debug", "dir", "table"] as const) {
    // deno-lint-ignore no-console
    console[name] = (...values: unknown[]) => console.error(...values);
  }
}

/**
 * Runs a worker: reads the question, loads and runs the stage, says how it ended, and exits.
 * @param loadOwn functions that load the user's definitions, in the order of `start.definitions`
 */
export async function serveStage(load: LoadModule, loadOwn: readonly LoadModule[] = []): Promise<void> {
  divertConsole();
  // A cluster's queue sends the signal to all processes of a job that it stops. The parent gets it too, and asks the
  // stage to save and stop; without a listener this process would end before it could save.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", () => {});
  const { question: start, more, send } = openChannel<StartMessage>();
  const exit = Deno.exit.bind(Deno);
  const read = Deno.stdin.read.bind(Deno.stdin);
  const later = setTimeout;

  const stop = new AbortController();
  if (more) stop.abort();
  const listen = async () => {
    // Any further line from the parent is a request to stop.
    while (await read(new Bytes(64)) !== null) stop.abort();
    // The parent closed the channel or died; nobody will publish what this worker does.
    exit(1);
  };
  listen();

  const events = start.sendsAll === true ? { emit: send, flush: () => {} } : throttleProgress(send);
  const made = makeContext(start, stop.signal, events.emit);
  const inputs = inputFolders(start);
  const stage = (await load()).default as StageRun | StageDefinition;
  const definitions: OwnDefinition[] = [];
  // Definitions are loaded one after the other, and after the toolkit's own code.
  for (const own of start.definitions ?? []) {
    definitions.push({ ...own, definition: (await loadOwn[definitions.length]!()).default });
  }
  const context = { ...made, definitions };
  const run = typeof stage === "function" ? stage : stage.run;
  const outcome = await runStage(run, context, inputs);
  // A failure that the stage left pending, such as a promise that it forgot to await, ends the process before the stage
  // is called done. Deno may call a timer that is due before it looks for such failures, but not the next timer.
  for (let turns = 0; turns < 2; turns++) await new Promise((resolve) => later(resolve));
  events.flush();
  send({ type: "end", end: outcome });
  exit(0);
}
