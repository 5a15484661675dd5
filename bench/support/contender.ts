import { streamLines } from "../../engine/process/lines.ts";
import { peakOf } from "./measure.ts";
import type { StepAnswer, StepRequest } from "./steps_protocol.ts";

/** A process that answers requests, one JSON object per line. */
export type Contender = Readonly<ReturnType<typeof startContender>>;

export interface ContenderCommand {
  readonly name: string;
  /** Settings that are added to every request. */
  readonly settings?: Pick<StepRequest, "layout" | "compile" | "on" | "precision"> | undefined;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Settings of an allocator that keeps its memory, as PyTorch's guides recommend one, here by glibc's own means. Without
 * them glibc gives memory that a step has freed back to the kernel, and asks for it again in the next step. Huge pages
 * in addition made PyTorch's steps up to 3% faster on digits and 6% slower at 28x28.
 */
export const TUNED_MALLOC = {
  GLIBC_TUNABLES:
    "glibc.malloc.trim_threshold=4294967296:glibc.malloc.mmap_threshold=33554432:glibc.malloc.top_pad=268435456",
};

/** Starts a contender, which ends when it is disposed of. */
export function startContender({ name, settings, command, args, env = {} }: ContenderCommand) {
  const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command(command, { args: [...args], env: { NO_COLOR: "1", ...env }, ...pipes }).spawn();
  const writer = child.stdin.getWriter();
  const lines = streamLines(child.stdout);
  const said = (async () => {
    let last = "it ended";
    // Indented lines belong to a stack trace.
    for await (const line of streamLines(child.stderr)) if (/^\S/.test(line)) last = line;
    return last;
  })();
  return {
    name,
    /** @throws Error with the process's own message if it cannot do what is asked. */
    async ask<Answer = StepAnswer>(request: object): Promise<Answer> {
      // If the process has ended, writing fails; the reason is read below.
      await writer.write(new TextEncoder().encode(`${JSON.stringify({ ...request, ...settings })}\n`)).catch(() => {});
      const { value, done } = await lines.next();
      if (done) throw new Error(await said);
      const answer = JSON.parse(value) as Answer & { readonly error?: string };
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer;
    },
    /** Returns the high-water mark of the process's resident memory, as `peakOf` does. */
    peakMegabytes: () => peakOf(child.pid),
    async [Symbol.asyncDispose]() {
      await writer.close().catch(() => {});
      const killer = setTimeout(() => child.kill("SIGKILL"), 5_000);
      await child.status;
      clearTimeout(killer);
    },
  };
}
