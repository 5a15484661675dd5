import process from "node:process";
import { type ContenderCommand, startContender, type StepRequest } from "./contender.ts";
import { median } from "./measure.ts";
import { LIBRARY_SETTINGS } from "../../../engine/process/runtime.ts";
import { cpuFlags, instructionClass } from "../../../science/tensor/numerics.ts";

const flags = cpuFlags();
/** True if the processor has instructions for bfloat16; without AMX they may still be slower than those for float32. */
export const HAS_BF16 = ["avx512_bf16", "amx_bf16"].some((flag) => flags?.has(flag));
export const THREADS = navigator.hardwareConcurrency;
/** The processor's name in tables. */
export const PROCESSOR = `${instructionClass(process.arch, flags)}${HAS_BF16 ? " with bf16" : ""}, ${THREADS} threads`;

type Case = Pick<StepRequest, "model" | "batch"> & { readonly title: string };

export const CASES: Readonly<Record<string, Case>> = {
  digits: {
    title: "16x16x1 of pipelines/digits.yaml, 32 channels x 1,2 (0.7 M parameters), batch 32",
    model: { imageSize: 16, inChannels: 1, channels: 32, multipliers: [1, 2], blocks: 1, attention: [8] },
    batch: 32,
  },
  small: {
    title: "28x28x1, 32 channels x 1,2,2 (1.6 M parameters), batch 16",
    model: { imageSize: 28, inChannels: 1, channels: 32, multipliers: [1, 2, 2], blocks: 2, attention: [14] },
    batch: 16,
  },
  paper: {
    title: "CIFAR10 of Ho et al., 128 channels x 1,2,2,2 (35.7 M parameters), batch 4",
    model: { imageSize: 32, inChannels: 3, channels: 128, multipliers: [1, 2, 2, 2], blocks: 2, attention: [16] },
    batch: 4,
  },
};

const WARM_UP_STEPS = 2;

interface RaceStepsOptions {
  readonly rounds: number;
  /** Maximum number of steps in a turn, if they take no longer than `turnSeconds`. */
  readonly maxSteps?: number;
  readonly turnSeconds?: number;
  /** Called for a contender that cannot do what is asked. */
  readonly onSkip: (name: string, why: string) => void;
  /** Called while all processes still exist. */
  readonly onEnd?: () => Promise<void>;
}

/** Lets contenders do the same steps in turns, because other load on a machine comes and goes. */
export async function raceSteps(
  commands: readonly ContenderCommand[],
  request: Omit<StepRequest, "steps">,
  // Turns are long enough for a median, and short enough that load on the machine affects few of them.
  { rounds, maxSteps = 20, turnSeconds = 3, onSkip, onEnd }: RaceStepsOptions,
) {
  await using all = new AsyncDisposableStack();
  const running = [];
  for (const command of commands) {
    try {
      const contender = all.use(startContender(command));
      const { seconds, firstSeconds } = await contender.ask({ ...request, steps: WARM_UP_STEPS });
      const steps = Math.max(1, Math.min(maxSteps, Math.round(turnSeconds / seconds.at(-1)!)));
      // For each turn the number of steps, and the median seconds of one step.
      running.push({ contender, steps, medians: [] as number[], firstSeconds });
    } catch (error) {
      onSkip(command.name, (error as Error).message.slice(0, 200));
    }
  }
  for (let round = 0; round < rounds; round++) {
    // The order is reversed in every other round, because a machine's speed drifts within a round too.
    for (const { contender, steps, medians } of round % 2 === 0 ? running : running.toReversed()) {
      medians.push(median((await contender.ask({ ...request, steps })).seconds));
    }
  }
  const measured = running.map(({ contender, ...rest }) => ({
    name: contender.name,
    ...rest,
    peakMegabytes: contender.peakMegabytes(),
  }));
  await onEnd?.();
  return measured;
}

const SERVER = new URL("./step_server.ts", import.meta.url).pathname;
const PEER = new URL("../peers/torch_unet.py", import.meta.url).pathname;

/** Returns one of our devices, with the memory settings that stages get. */
export function ourContender(device: string): ContenderCommand {
  const args = ["run", "-A", SERVER, device, `${THREADS}`];
  return { name: device, command: Deno.execPath(), args, env: LIBRARY_SETTINGS };
}

/** Returns PyTorch in a Python that has it. */
export function torchContender(name: string, python: string, settings: ContenderCommand["settings"]) {
  return { name, settings, command: python, args: [PEER, `${THREADS}`] };
}
