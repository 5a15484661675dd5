/**
 * Training steps and noise predictions of the U-Net on our devices and in PyTorch, in turns in one call, because machines
 * are loaded at times. Usage: deno task bench:train | bench:sample [--python PATH] [--devices a,b] [--cases a,b]
 *   [--rounds N] [--compile]
 * The peer needs a Python with torch; without one our devices are measured alone.
 */
import { parseArgs } from "node:util";
import { printLine } from "../cli/io.ts";
import { printTable } from "./support/markdown.ts";
import { median, ratios, spread } from "./support/measure.ts";
import { CASES, HAS_BF16, ourContender, PROCESSOR, raceSteps, torchContender } from "./support/race_steps.ts";
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
const layouts = [["", "contiguous"], [", channels last", "channels_last"]] as const;
const peers = (name: string, settings: Pick<StepRequest, "precision" | "compile">) =>
  layouts.map(([suffix, layout]) =>
    torchContender(name + suffix, values.python, { layout, compile: false, ...settings })
  );
const commands = [
  ...values.devices.split(",").map((device) => ourContender(device)),
  ...peers("PyTorch eager", {}),
  ...HAS_BF16 ? peers("PyTorch bf16", { precision: "bf16" }) : [],
  ...values.compile ? peers("torch.compile", { compile: true }).slice(0, 1) : [],
];
const what = mode === "train" ? "training step" : "prediction";

printLine(`${what}, ${PROCESSOR}, ${values.rounds} turns each; \`onnx\` has no bf16`);
if (!HAS_BF16) printLine("skipped: PyTorch bf16: the processor has neither AVX-512-bf16 nor AMX");
for (const name of values.cases.split(",")) {
  const found = CASES[name];
  if (found === undefined) throw new Error(`Case "${name}": got no such case, wanted ${Object.keys(CASES).join(", ")}`);
  const measured = await raceSteps(commands, { model: found.model, batch: found.batch, mode }, {
    rounds: Number(values.rounds),
    onSkip: (name, why) => printLine(`skipped: ${name}: ${why}`),
  });
  const ours = measured[0]!;
  printLine(`\n${found.title}:\n`);
  const rows = measured.map((each) => [
    each.name,
    `${(1000 * median(each.medians)).toFixed(0)} ms`,
    each === ours ? "" : spread(ratios(each.medians, ours.medians), 2),
    each.firstSeconds === undefined ? "" : `${each.firstSeconds.toFixed(1)} s`,
    `${each.peakMegabytes.toFixed(0)} MB`,
  ]);
  printTable([["", what, `ratio to ${ours.name}`, "first step", "peak memory"], ...rows]);
}
