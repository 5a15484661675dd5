import { assert, assertEquals } from "@std/assert";
import { chooseDevice } from "../../../../science/tensor/implementations.ts";
import { reasonForTorch } from "../../../../science/tensor/faster.ts";
import {
  CONCRETE_DEVICES,
  type ConcreteDeviceName,
  type DeviceDescription,
} from "../../../../science/tensor/devices.ts";

/** Makes a machine that has the named devices, and records which of its devices were examined. */
function machineWith(present: Partial<Record<ConcreteDeviceName, Partial<DeviceDescription>>>) {
  const looked: ConcreteDeviceName[] = [];
  // deno-lint-ignore require-await -- the real one asks drivers
  const describe = async (name: ConcreteDeviceName): Promise<DeviceDescription> => {
    looked.push(name);
    const found = present[name];
    if (found === undefined) return { name, available: false, reason: `no ${name} here`, numerics: undefined };
    return { name, available: true, reason: `a ${name}`, numerics: `${name}/1`, card: name === "webgpu", ...found };
  };
  return { describe, looked };
}

const takenBy = async (...present: ConcreteDeviceName[]) => {
  const { describe } = machineWith(Object.fromEntries(present.map((name) => [name, {}])));
  const chosen = await chooseDevice("auto", { describe });
  return chosen.available ? chosen.name : undefined;
};

Deno.test("auto takes the best device that is there", async () => {
  for (let first = 0; first < CONCRETE_DEVICES.length; first++) {
    assertEquals(await takenBy(...CONCRETE_DEVICES.slice(first)), CONCRETE_DEVICES[first]);
  }
  assertEquals(CONCRETE_DEVICES, ["tensorflow-gpu", "webgpu", "onnx", "torch", "wasm"]);
});

Deno.test("auto says what better devices lack and looks at no worse ones", async () => {
  const { describe, looked } = machineWith({ onnx: {}, wasm: {}, tensorflow: {} });
  assertEquals(await chooseDevice("auto", { describe }), {
    available: true,
    name: "onnx",
    numerics: "onnx/1",
    reason: "a onnx; better, but not available: tensorflow-gpu (no tensorflow-gpu here); webgpu (no webgpu here)",
    card: false,
  });
  assertEquals(looked, ["tensorflow-gpu", "webgpu", "onnx"]);
});

Deno.test("auto says nothing of others when the best is there", async () => {
  const { describe, looked } = machineWith({ "tensorflow-gpu": {} });
  const chosen = await chooseDevice("auto", { describe });
  assertEquals([chosen.reason, looked], ["a tensorflow-gpu", ["tensorflow-gpu"]]);
});

Deno.test("auto never takes a software adapter", async () => {
  const { describe } = machineWith({ webgpu: { card: false }, wasm: {} });
  const chosen = await chooseDevice("auto", { describe });
  assert(chosen.available);
  assertEquals(chosen.name, "wasm");
  assert(chosen.reason.includes("webgpu (a webgpu)"), chosen.reason);
});

Deno.test("a device that is named is taken or refused, whatever else there is", async () => {
  const { describe, looked } = machineWith({ "tensorflow-gpu": {}, webgpu: { card: false } });
  assertEquals(await chooseDevice("webgpu", { describe }), {
    available: true,
    name: "webgpu",
    numerics: "webgpu/1",
    reason: "a webgpu",
    card: false,
    warning: { message: "device webgpu: a webgpu; the other devices are faster", fix: "use device auto" },
  });
  const card = await chooseDevice("webgpu", machineWith({ webgpu: { card: true } }));
  assert(card.available && card.warning === undefined);
  assertEquals(await chooseDevice("wasm", { describe }), {
    available: false,
    reason: "no wasm here",
    fix: "use device auto; `deno task doctor` lists the devices of this machine",
  });
  assertEquals(looked, ["webgpu", "wasm"]);
});

Deno.test("a device that knows its own fix says that one", async () => {
  const { describe } = machineWith({ tensorflow: { available: false, reason: "not set up", fix: "set it up" } });
  assertEquals(await chooseDevice("tensorflow", { describe }), {
    available: false,
    reason: "not set up",
    fix: "set it up",
  });
});

Deno.test("a machine without any device is told so", async () => {
  const { describe } = machineWith({});
  const chosen = await chooseDevice("auto", { describe });
  assert(!chosen.available);
  assert(chosen.reason.startsWith("this machine has none: tensorflow-gpu (no tensorflow-gpu here); "), chosen.reason);
});

Deno.test("a device that does not compute is passed over by auto with the reason, and refused when it is named", async () => {
  const { describe } = machineWith({
    "tensorflow-gpu": { seen: "a card" },
    webgpu: { card: false },
    onnx: {},
    wasm: {},
  });
  const asked: string[] = [];
  // deno-lint-ignore require-await -- the real one starts a process
  const tryOut = async ({ name }: DeviceDescription) => {
    asked.push(name);
    return name === "wasm" ? undefined : { reason: `it has no ${name} in it`, fix: "mend it" };
  };
  const chosen = await chooseDevice("auto", { describe, tryOut });
  assert(chosen.available);
  assertEquals(chosen.name, "wasm");
  assertEquals(chosen.warning, {
    message:
      "a card is here, but device tensorflow-gpu cannot use it: it has no tensorflow-gpu in it; wasm is used instead, " +
      "which is slower",
    fix: "mend it",
  });
  assert(chosen.reason.includes("onnx (it has no onnx in it)"), chosen.reason);
  // A device that is not chosen anyway need not compute.
  assertEquals(asked, ["tensorflow-gpu", "onnx", "wasm"]);
  assertEquals(await chooseDevice("onnx", { describe, tryOut }), {
    available: false,
    reason: "it has no onnx in it",
    fix: "mend it",
  });
});

/** A training of a built-in U-Net with so many channels on average, of images so wide. */
const training = (channels: number, width: number) => ({ trains: true, workShape: [channels ** 2, width, 32] });
const AVX512 = "x86-avx512";

Deno.test("torch is preferred for trainings that are no wider, of images no smaller, than one that it was faster at", () => {
  // docs/performance.md: digits.yaml, 28x28, the paper's, and three between them.
  const shares = [[48, 16], [53, 28], [224, 32], [96, 16], [107, 32], [48, 32]].map(([channels, width]) =>
    /took (\S+) of/.exec(reasonForTorch(training(channels!, width!), AVX512) ?? "")?.[1]
  );
  assertEquals(shares, [undefined, "0.89", undefined, undefined, undefined, "0.89"]);
  assert(reasonForTorch(training(16, 64), AVX512) !== undefined);
  for (const kernels of ["x86-avx2", "arm64"]) assertEquals(reasonForTorch(training(53, 28), kernels), undefined);
  // Predictions, and networks of the user's own, were not measured to be faster.
  assertEquals(reasonForTorch({ ...training(53, 28), trains: false }, AVX512), undefined);
  assertEquals(reasonForTorch({ trains: true }, AVX512), undefined);
});

Deno.test("work goes on where it began, and by the table where it began on both", () => {
  const [onnx, torch] = ["onnx-cpu_1.30.0_x86-avx512_2-threads", "torch-cpu_2.15.0_x86-avx512_2-threads"];
  const reasonWith = (work: ReturnType<typeof training>, ...saved: string[]) =>
    reasonForTorch({ ...work, saved }, AVX512);
  const [fast, slow] = [training(53, 28), training(48, 16)];
  assertEquals(reasonWith(fast, onnx), undefined);
  assertEquals(reasonWith(slow, torch), "the stage has begun on it");
  assertEquals([reasonWith(slow, torch, onnx), reasonWith(fast, torch, onnx)], [undefined, reasonWith(fast)]);
  assertEquals(reasonWith(fast, "tensorflow-gpu_2.21.0_nvidia_tf32"), reasonWith(fast));
});

Deno.test("auto takes torch before onnx where it is preferred, and says what sets it up where it is missing", async () => {
  const known = { saved: ["torch-cpu_2.15.0"] };
  const { describe, looked } = machineWith({ onnx: {}, torch: {} });
  const chosen = await chooseDevice("auto", { describe, known });
  assert(chosen.available);
  assertEquals([chosen.name, chosen.faster, looked.includes("onnx")], ["torch", undefined, false]);
  assert(chosen.reason.startsWith("a torch; the stage has begun on it; better, but not available: "), chosen.reason);
  const missing = { available: false, reason: "not set up", fix: "set it up" };
  const without = await chooseDevice("auto", { describe: machineWith({ onnx: {}, torch: missing }).describe, known });
  assert(without.available);
  assertEquals([without.name, without.faster], ["onnx", "set it up"]);
  assert(without.reason.endsWith("; torch (not set up)"), without.reason);
  const card = await chooseDevice("auto", {
    describe: machineWith({ webgpu: { card: true }, torch: {} }).describe,
    known,
  });
  assertEquals(card.available && card.name, "webgpu");
});

Deno.test("with precision bf16 auto takes torch or nothing, and no other device is taken", async () => {
  const { describe, looked } = machineWith({ "tensorflow-gpu": {}, onnx: {}, torch: {} });
  const chosen = await chooseDevice("auto", { describe, precision: "bf16" });
  assertEquals([chosen.available && chosen.name, looked], ["torch", ["torch", "tensorflow-gpu"]]);
  assertEquals(chosen.available && chosen.reason, "a torch");
  assert(chosen.available && chosen.warning === undefined);
  const beside = await chooseDevice("auto", {
    describe: machineWith({ "tensorflow-gpu": { seen: "a card" }, torch: {} }).describe,
    precision: "bf16",
  });
  assertEquals(beside.available && beside.warning, {
    message:
      "a card is here, but device tensorflow-gpu cannot use it: it has no precision bf16; torch is used instead, " +
      "which is slower",
    fix: "use precision fp32",
  });
  assertEquals(await chooseDevice("onnx", { describe, precision: "bf16" }), {
    available: false,
    reason: "it has no precision bf16",
    fix: "use device torch, or precision fp32",
  });
  const without = machineWith({ onnx: {}, torch: { available: false, reason: "not set up", fix: "set it up" } });
  const refused = await chooseDevice("auto", { describe: without.describe, precision: "bf16" });
  assertEquals([refused.available, refused.reason], [false, "no device here has precision bf16: torch (not set up)"]);
  assertEquals(!refused.available && refused.fix, "set it up");
});
