import { diffusionLoss } from "../../science/diffusion/diffusion_loss.ts";
import { assert, assertEquals } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import { makeModelOutput, modelOutputSignature } from "../../science/diffusion/network.ts";
import { makeTrainStep, trainStepSignature } from "../../science/diffusion/train_step.ts";
import { unetParameterSpecs } from "../../science/diffusion/unet/plan.ts";
import { COMPOSITIONS } from "../../science/tensor/compositions.ts";
import type { HostTensors, PureFunction, Signature } from "../../science/tensor/device.ts";
import { KERNEL_NAMES, TRANSLATIONS } from "../../science/tensor/trace/recorder.ts";
import { OPERATIONS as TORCH } from "../../science/tensor/torch/operations.ts";
import { liveValues } from "../../science/tensor/trace/graph.ts";
import { REFUSED } from "../../science/tensor/trace/refused.ts";
import { trace } from "../../science/tensor/trace/trace.ts";
import { sampleFeeds } from "../support/tensors.ts";
import { unetOf } from "../support/unet.ts";
import { openParityDevice, PARITY_DEVICES, TFJS_CPU } from "./devices.ts";
import { FIXTURE_GROUPS, loadCases } from "./fixtures.ts";
import { OPERATIONS } from "./operations.ts";
import { caseFunction } from "./run_case.ts";
import { SIMPLE_LOSS } from "../support/objectives.ts";

const cases = (await Promise.all(FIXTURE_GROUPS.map(loadCases))).flat();

/** Returns the names of the TF.js kernels that a function calls, including those of its gradients. */
async function kernelsOf(fn: PureFunction, inputs: Signature, feeds: HostTensors): Promise<string[]> {
  await tf.setBackend("cpu");
  const tensors = Object.entries(inputs).map(([name, { shape, dtype }]) =>
    [name, tf.tensor(feeds[name]!, [...shape], dtype)] as const
  );
  const { kernelNames } = await tf.profile(() => tf.tidy(() => fn(Object.fromEntries(tensors))));
  for (const [, tensor] of tensors) tensor.dispose();
  // A function with a custom gradient appears in the list under the name of its scope.
  return kernelNames.filter((name) => tf.getKernel(name, "cpu") !== undefined);
}

/** Returns the kernels that are called by the cases smaller than a network. */
async function findCalled(): Promise<ReadonlySet<string>> {
  // Opening the device registers our own kernels, which stay registered.
  await (await openParityDevice(TFJS_CPU)).dispose();
  const called = new Set<string>();
  for (const parityCase of cases.filter(({ attributes }) => attributes.config === undefined)) {
    const { fn, inputs, feeds } = caseFunction(parityCase);
    for (const kernel of await kernelsOf(fn, inputs, feeds)) called.add(kernel);
  }
  return called;
}

let found: Promise<ReadonlySet<string>> | undefined;
/** The kernels are searched for once, by the first test that needs them. */
const calledKernels = () => found ??= findCalled();

Deno.test("every device has a file of parity tests", async () => {
  // The tests of webgpu, in software, and of TensorFlow, in a separate process, take too long to run by default.
  const folders = [".", "../long/devices"].map((folder) => new URL(`${folder}/`, import.meta.url));
  const files = folders.flatMap((folder) => [...Deno.readDirSync(folder)].map(({ name }) => name));
  const wanted = PARITY_DEVICES.map((name) => `${name.replaceAll("-", "_")}_test.ts`);
  assertEquals(wanted.filter((name) => !files.includes(name)), []);
});

Deno.test("every operation has a case, and every case an operation", () => {
  const used = new Set(cases.flatMap(({ op, attributes }) => attributes.args === undefined ? [op] : []));
  assertEquals([...used].filter((op) => !(op in OPERATIONS) && op !== "training"), []);
  assertEquals(Object.keys(OPERATIONS).filter((op) => !used.has(op)), []);
});

Deno.test("every kernel of TF.js has a case, or is refused with a reason", async () => {
  const called = await calledKernels();
  const runs = KERNEL_NAMES.filter((name) => name in TRANSLATIONS || name in COMPOSITIONS);
  // TF.js implements these ops with other ops, so nothing calls their kernels.
  const composed = ["BroadcastTo", "LogSoftmax", "LogicalXor"];
  assertEquals(runs.filter((name) => !called.has(name) && !composed.includes(name)), []);
  assertEquals(KERNEL_NAMES.filter((name) => !runs.includes(name) && !REFUSED.has(name)), []);
  assertEquals([...REFUSED.keys()].filter((name) => runs.includes(name) || !KERNEL_NAMES.includes(name)), []);
  // These refused kernels have gradients: one is of complex numbers, the other is not called because its op has another
  // gradient.
  const differentiable = [...REFUSED.keys()].filter((name) => tf.getGradient(name) !== undefined);
  assertEquals(differentiable, ["ComplexAbs", "Dilation2D"]);
});

Deno.test("device torch has calls for every operation that the cases record", async () => {
  await tf.setBackend("cpu");
  const recorded = cases.filter(({ op }) => op !== "training").flatMap((parityCase) => {
    const { fn, inputs } = caseFunction(parityCase);
    return liveValues(trace(fn, inputs, parityCase.name).outputs.values());
  });
  const names = new Set(recorded.flatMap((value) => value.kind === "operation" ? [value.op] : []));
  assert(names.has("forward") && names.has("LessOrEqual"));
  assertEquals([...names].filter((name) => !Object.hasOwn(TORCH, name)), []);
});

Deno.test("every kernel of a training step and of a sampling step is in a case smaller than a network", async () => {
  const covered = await calledKernels();
  const { config } = cases.find(({ op }) => op === "training")!.attributes;
  const dropout = { ...SIMPLE_LOSS, dropout: 0.1 };
  const learned = { ...SIMPLE_LOSS, variance: "learned", timestepSampler: "loss-aware" } as const;
  const wide = unetOf({ ...config, outChannels: 2 * config.inChannels });
  const [plain, told] = [unetOf(config), unetOf({ ...config, classes: 3 })];
  const steps = [
    [
      makeTrainStep(diffusionLoss(plain, dropout)),
      trainStepSignature(diffusionLoss(plain, dropout), 2),
    ],
    [
      makeTrainStep(diffusionLoss(wide, learned)),
      trainStepSignature(diffusionLoss(wide, learned), 2),
    ],
    [
      makeTrainStep(diffusionLoss(told, SIMPLE_LOSS)),
      trainStepSignature(diffusionLoss(told, SIMPLE_LOSS), 2),
    ],
    [makeModelOutput(plain), modelOutputSignature(plain, 2)],
    [makeModelOutput(told), modelOutputSignature(told, 2)],
  ] as const;
  for (const [fn, inputs] of steps) {
    const kernels = new Set(await kernelsOf(fn, inputs, sampleFeeds(inputs, { low: 0.1 })));
    assert(kernels.has("Conv2D"));
    assertEquals([...kernels].filter((kernel) => !covered.has(kernel)), []);
  }
});

Deno.test("the network of the fixtures has the parameters of noiseline's, name by name and shape by shape", () => {
  const unet = cases.find(({ op }) => op === "unet")!;
  const wanted = unetParameterSpecs(unet.attributes.config).map(({ name, shape }) => `${name} ${shape}`);
  const got = Object.entries(unet.inputs).flatMap(([name, { shape }]) =>
    name === "x" || name === "t" || name === "cotangent" ? [] : [`${name} ${shape}`]
  );
  assertEquals(got.sort(), wanted.sort());
});
