/**
 * Training steps and noise predictions of the U-Net on our devices and in PyTorch, in turns in one call, because machines
 * are loaded at times. Usage: deno task bench:train | bench:sample [--python PATH] [--devices a,b] [--cases a,b]
 *   [--rounds N] [--compile]
 * The peer needs a Python with torch; without one our devices are measured alone.
 */
import { parseArgs } from "node:util";
import { printLine } from "../cli/io.ts";
import type { ContenderCommand } from "./support/contender.ts";
import { printTable } from "./support/markdown.ts";
import { median } from "./support/measure.ts";
import { ourContender, raceSteps, torchContender } from "./support/race_steps.ts";
import type { StepRequest } from "./support/steps_protocol.ts";

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    python: { type: "string", default: "python3" },
    devices: { type: "string", default: "onnx" },
    cases: { type: "string", default: "digits,small,paper" },
    rounds: { type: "string", default: "6" },
    compile: { type: "boolean", default: false },
  },
});
const mode = positionals[0] === "forward" ? "forward" : "train";
const threads = navigator.hardwareConcurrency;

type Case = Pick<StepRequest, "model" | "batch"> & { readonly title: string };

const CASES: Record<string, Case> = {
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

const peer = (name: string, settings: ContenderCommand["settings"]) =>
  torchContender(name, values.python, threads, settings);
const commands = [
  ...values.devices.split(",").map((device) => ourContender(device, threads)),
  peer("PyTorch eager", { layout: "contiguous", compile: false }),
  peer("PyTorch eager, channels last", { layout: "channels_last", compile: false }),
  ...values.compile ? [peer("torch.compile", { layout: "contiguous", compile: true })] : [],
];

printLine(
  `${mode === "train" ? "training step" : "noise prediction"}, ${threads} threads, ${values.rounds} turns each`,
);
for (const name of values.cases.split(",")) {
  const found = CASES[name];
  if (found === undefined) throw new Error(`Case "${name}": got no such case, wanted ${Object.keys(CASES).join(", ")}`);
  const measured = await raceSteps(commands, { model: found.model, batch: found.batch, mode }, {
    rounds: Number(values.rounds),
    onSkip: (name, why) => printLine(`skipped: ${name}: ${why}`),
  });
  const ours = measured[0]!;
  printLine(`\n${found.title}`);
  const rows = measured.map((each) => [
    each.name,
    `${(1000 * median(each.medians)).toFixed(0)} ms`,
    // Turn by turn, so that load on the machine is in both terms.
    each === ours ? "" : `${median(each.medians.map((seconds, i) => seconds / ours.medians[i]!)).toFixed(2)} x`,
    each.firstSeconds === undefined ? "" : `${each.firstSeconds.toFixed(1)} s`,
    `${each.peakMegabytes.toFixed(0)} MB`,
  ]);
  printTable([["", "median", `time of ${ours.name}`, "first step", "peak memory"], ...rows]);
}
