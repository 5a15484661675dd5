import { main } from "../../../cli/main.ts";
import type { BuiltinKind } from "../../../engine/contract/stage.ts";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";

/** The output of the command line and its exit code. */
export interface Said {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/**
 * Runs the command line in this process. It writes to the streams of the process, so these are redirected meanwhile;
 * tests of one file run one after the other.
 */
export async function runCli(...args: string[]): Promise<Said> {
  return await runCliWith({}, ...args);
}

/** The same with further kinds. */
export async function runCliWith(kinds: Readonly<Record<string, BuiltinKind>>, ...args: string[]): Promise<Said> {
  const texts = { out: "", error: "" };
  const redirect = (stream: typeof Deno.stdout | typeof Deno.stderr, name: "out" | "error") => {
    const { writeSync } = stream;
    const decoder = new TextDecoder();
    stream.writeSync = (bytes: Uint8Array) => {
      texts[name] += decoder.decode(bytes);
      return bytes.length;
    };
    return () => stream.writeSync = writeSync;
  };
  const { default: process } = await import("node:process");
  const { write } = process.stdout;
  // Commander writes its help through Node's stream.
  process.stdout.write = ((text: string) => {
    texts.out += text;
    return true;
  }) as typeof write;
  const restore = [redirect(Deno.stdout, "out"), redirect(Deno.stderr, "error")];
  try {
    const code = await main(args, { loadKinds: async () => ({ ...BUILTIN_KINDS, ...kinds }) });
    return { code, ...texts };
  } finally {
    process.stdout.write = write;
    for (const undo of restore) undo();
  }
}
