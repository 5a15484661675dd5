import { streamLines } from "../../engine/process/lines.ts";
import { peakOf } from "./measure.ts";
import type { StepAnswer, StepRequest } from "./steps_protocol.ts";

/** A process that answers requests, one JSON object a line. */
export type Contender = Readonly<ReturnType<typeof startContender>>;

export interface ContenderCommand {
  readonly name: string;
  /** What every request to it carries. */
  readonly settings?: Pick<StepRequest, "layout" | "compile" | "on" | "precision"> | undefined;
  readonly command: string;
  readonly args: readonly string[];
}

/** Start one; it ends when it is disposed of. */
export function startContender({ name, settings, command, args }: ContenderCommand) {
  const child = new Deno.Command(command, { args: [...args], stdin: "piped", stdout: "piped", stderr: "null" }).spawn();
  const writer = child.stdin.getWriter();
  const lines = streamLines(child.stdout);
  return {
    name,
    /** @throws Error with what the process says when it cannot do what is asked. */
    async ask<Answer = StepAnswer>(request: object): Promise<Answer> {
      await writer.write(new TextEncoder().encode(`${JSON.stringify({ ...request, ...settings })}\n`));
      const { value, done } = await lines.next();
      if (done) throw new Error("it ended");
      const answer = JSON.parse(value) as Answer & { readonly error?: string };
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer;
    },
    /** High-water mark of its resident memory, as `peakOf`. */
    peakMegabytes: () => peakOf(child.pid),
    async [Symbol.asyncDispose]() {
      await writer.close().catch(() => {});
      const killer = setTimeout(() => child.kill("SIGKILL"), 5_000);
      await child.status;
      clearTimeout(killer);
    },
  };
}
