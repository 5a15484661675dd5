import { streamLines } from "../../../engine/process/lines.ts";
import type { UnetConfig } from "../../../science/diffusion/unet/config.ts";
import { peakOf } from "./measure.ts";

/** A network that predicts noise. */
export type BenchModel = Omit<UnetConfig, "outChannels" | "classes">;

/** A request to dev/bench/support/step_server.ts or dev/bench/peers/torch_unet.py. */
export interface StepRequest {
  readonly model: BenchModel;
  readonly batch: number;
  /** One training step (forward, gradients, clip, Adam, EMA) or one noise prediction. */
  readonly mode: "train" | "forward";
  readonly steps: number;
  /** Settings that only the peer uses. */
  readonly layout?: "contiguous" | "channels_last";
  readonly compile?: boolean;
  readonly on?: "cpu" | "cuda";
  /** float32, with products in float32 or rounded to TensorFloat-32, or bfloat16 where PyTorch's autocast uses it. */
  readonly precision?: "fp32" | "tf32" | "bf16";
}

export interface StepAnswer {
  /** One value for each step. */
  readonly seconds: readonly number[];
  /** From the request to the end of the first step. */
  readonly firstSeconds: number | undefined;
}

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
