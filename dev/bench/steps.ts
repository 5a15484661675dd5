/**
 * Times training steps and noise predictions of the U-Net on our devices and in PyTorch, which take turns in one call,
 * because other load on a machine comes and goes.
 * Usage: deno task bench:train | bench:sample [--python PATH] [--devices a,b] [--cases a,b]
 *   [--rounds N] [--compile]
 * The peer needs a Python with torch; without one only our devices are measured. Our devices run with the huge pages
 * that stages ask for, stock PyTorch as installed, and once more with an allocator that keeps its memory.
 */
import { EXIT, printError, printLine } from "../../cli/io.ts";
import { DEVICE_NAMES } from "../../science/tensor/devices.ts";
import { type StepRequest, TUNED_MALLOC } from "./support/contender.ts";
import { median, printTable, ratios, spread, warnIfUnstable } from "./support/measure.ts";
import { COUNT, listOf, pythonWith, readOptions, SWITCH } from "./support/options.ts";
import { CASES, HAS_BF16, ourContender, PROCESSOR, raceSteps, torchContender } from "./support/race_steps.ts";

const [mode, ...args] = Deno.args as ["forward" | "train", ...string[]];
const { python, devices, cases, rounds, compile } = await readOptions(import.meta.url, {
  python: pythonWith("torch", "PyTorch"),
  devices: listOf(DEVICE_NAMES).default(["onnx"]),
  cases: listOf(Object.keys(CASES)).default(Object.keys(CASES)),
  rounds: COUNT.default(6),
  compile: SWITCH,
}, args);
const BF16 = { precision: "bf16" } as const;
const layouts = [["", "contiguous"], [", channels last", "channels_last"]] as const;
const peersOf = (python: string) => {
  const both = (name: string, settings: Pick<StepRequest, "precision" | "compile">) =>
    layouts.map(([suffix, layout]) => torchContender(name + suffix, python, { layout, compile: false, ...settings }));
  const eager = both("PyTorch eager", {});
  return [
    ...eager,
    { ...eager[1]!, name: `${eager[1]!.name}, malloc tuned`, env: TUNED_MALLOC },
    ...HAS_BF16 ? both("PyTorch bf16", BF16) : [],
    ...compile ? both("torch.compile", { compile: true }).slice(0, 1) : [],
  ];
};
const ours = devices.flatMap((name) => [
  ourContender(name),
  ...name === "torch" && HAS_BF16 ? [{ ...ourContender(name), name: "torch bf16", settings: BF16 }] : [],
]);
const commands = [...ours, ...python === undefined ? [] : peersOf(python)];
const what = mode === "train" ? "training step" : "prediction";

printLine(`${what}, ${PROCESSOR}, turns: ${rounds}; \`torch\` alone has bf16`);
if (!HAS_BF16) printLine("skipped: PyTorch bf16: the processor has neither AVX-512-bf16 nor AMX");
for (const name of cases) {
  const { title, ...request } = CASES[name]!;
  const onSkip = (name: string, why: string) => {
    if (name !== devices[0]) return printLine(`skipped: ${name}: ${why}`);
    printError(`error: ${name}: ${why}; nothing can be compared with it`);
    Deno.exit(EXIT.failed);
  };
  const measured = await raceSteps(commands, { ...request, mode }, { rounds, onSkip });
  const ours = measured[0]!;
  printLine(`\n${title}:\n`);
  const rows = measured.map((each) => [
    each.name,
    `${(1000 * median(each.medians)).toFixed(0)} ms`,
    each === ours ? "" : spread(ratios(each.medians, ours.medians), 2),
    each.firstSeconds === undefined ? "" : `${each.firstSeconds.toFixed(1)} s`,
    `${each.peakMegabytes.toFixed(0)} MB`,
  ]);
  printTable([["", what, `ratio to ${ours.name}`, "first step", "peak memory"], ...rows]);
  for (const { name, medians } of measured) warnIfUnstable(name, medians.map((seconds) => 1000 * seconds), "ms");
}
