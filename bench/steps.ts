/**
 * Training steps and noise predictions of the U-Net on our devices and in PyTorch, in turns in one call, because machines
 * have slow spells. Usage: deno task bench:train | bench:sample [--python PATH] [--devices a,b] [--cases a,b]
 *   [--rounds N] [--compile]
 * The peer needs a Python with torch; without one our devices are measured alone.
 */
import { parseArgs } from "node:util";
import { printLine } from "../cli/io.ts";
import { formatTable } from "../cli/format/table.ts";
import type { ContenderCommand } from "./support/contender.ts";
import { median } from "./support/measure.ts";
import { ourContender, raceSteps, torchContender } from "./support/race_steps.ts";
import type { StepRequest } from "./support/steps_protocol.ts";

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    python: { type: "string", default: "python3" },
    devices: { type: "string", default: "onnx" },
    cases: { type: "string", default: "small,paper" },
    rounds: { type: "string", default: "6" },
    compile: { type: "boolean", default: false },
  },
});
const mode = positionals[0] === "forward" ? "forward" : "train";
const threads = navigator.hardwareConcurrency;

type Case = Pick<StepRequest, "model" | "batch"> & { readonly title: string };

const CASES: Record<string, Case> = {
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

function commands(): ContenderCommand[] {
  const variants = [
    { name: "PyTorch eager", settings: { layout: "contiguous", compile: false } },
    { name: "PyTorch eager, channels last", settings: { layout: "channels_last", compile: false } },
    ...(values.compile ? [{ name: "torch.compile", settings: { layout: "contiguous", compile: true } } as const] : []),
  ] as const;
  return [
    ...values.devices.split(",").map((device) => ourContender(device, threads)),
    ...variants.map(({ name, settings }) => torchContender(name, values.python, threads, settings)),
  ];
}

printLine(
  `${mode === "train" ? "training step" : "noise prediction"}, ${threads} threads, ${values.rounds} turns each`,
);
for (const name of values.cases.split(",")) {
  const found = CASES[name];
  if (found === undefined) throw new Error(`Case "${name}": got no such case, wanted ${Object.keys(CASES).join(", ")}`);
  const measured = await raceSteps(commands(), { model: found.model, batch: found.batch, mode }, {
    rounds: Number(values.rounds),
    onSkip: (name, why) => printLine(`skipped: ${name}: ${why}`),
  });
  const ours = measured[0]!;
  printLine(`\n${found.title}`);
  const rows = measured.map((each) => [
    each.name,
    `${(1000 * median(each.medians)).toFixed(0)} ms`,
    // Turn by turn, so that a slow spell is in both terms.
    each === ours ? "" : `${median(each.medians.map((seconds, i) => seconds / ours.medians[i]!)).toFixed(2)} x`,
    each.firstSeconds === undefined ? "" : `${each.firstSeconds.toFixed(1)} s`,
    each.peakMegabytes === undefined ? "" : `${each.peakMegabytes.toFixed(0)} MB`,
  ]);
  const header = ["", "median", `time of ${ours.name}`, "first step", "peak memory"];
  for (const line of formatTable([header, ...rows])) printLine(line);
}
