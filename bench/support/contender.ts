import { TextLineStream } from "./lines.ts";
import type { StepAnswer, StepRequest } from "./steps_protocol.ts";

type Settings = Pick<StepRequest, "layout" | "compile" | "on" | "precision">;

/** A process that runs steps on request. */
export interface Contender {
  readonly name: string;
  /** Settings that every request to it carries. */
  readonly settings: Settings;
  /** @throws Error with what the process says when it cannot do what is asked. */
  ask(request: StepRequest): Promise<StepAnswer>;
  /** High-water mark of its resident memory, from the kernel; undefined where there is none. */
  peakMegabytes(): number | undefined;
  stop(): Promise<void>;
}

export interface ContenderCommand {
  readonly name: string;
  readonly settings?: Settings;
  readonly command: string;
  readonly args: readonly string[];
}

export function startContender({ name, settings = {}, command, args }: ContenderCommand): Contender {
  const child = new Deno.Command(command, { args: [...args], stdin: "piped", stdout: "piped", stderr: "null" }).spawn();
  const writer = child.stdin.getWriter();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream()).getReader();
  return {
    name,
    settings,
    async ask(request) {
      await writer.write(new TextEncoder().encode(`${JSON.stringify({ ...request, ...settings })}\n`));
      const { value } = await reader.read();
      if (value === undefined) throw new Error("it ended");
      const answer = JSON.parse(value) as StepAnswer | { readonly error: string };
      if ("error" in answer) throw new Error(answer.error);
      return answer;
    },
    peakMegabytes() {
      try {
        const status = Deno.readTextFileSync(`/proc/${child.pid}/status`);
        return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? NaN) / 1024;
      } catch {
        return undefined;
      }
    },
    async stop() {
      await writer.close().catch(() => {});
      const killer = setTimeout(() => child.kill("SIGKILL"), 5_000);
      await child.status;
      clearTimeout(killer);
    },
  };
}
