import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, join } from "node:path";
import type { ConcreteDeviceName, DeviceDescription, DeviceGrants } from "../../../../science/tensor/devices.ts";
import { chooseDevice } from "../../../../science/tensor/implementations.ts";
import { describeTensorflow, explainGpuFailure } from "../../../../science/tensor/tensorflow/describe.ts";
import { findNvidiaCard, nvidiaModels } from "../../../../science/tensor/gpus.ts";
import { findInstallation } from "../../../../science/tensor/tensorflow/installation.ts";
import { skipUnless } from "../../../support/proc.ts";
import { pretendSetUp, runModule } from "./tensorflow_child.ts";

const REPORT = `
  import { describeTensorflow, tensorflowGrants } from "science/tensor/tensorflow/describe.ts";
  const about = (gpu) => ({ description: describeTensorflow(gpu), grants: tensorflowGrants(gpu) });
  console.log(JSON.stringify({ cpu: about(false), gpu: about(true) }));`;

type About = { readonly description: DeviceDescription; readonly grants: DeviceGrants };

async function reportFor(cache: string): Promise<{ cpu: About; gpu: About }> {
  try {
    const { out, err } = await runModule(REPORT, { env: { XDG_CACHE_HOME: cache } });
    assert(out !== "", err);
    return JSON.parse(out);
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

Deno.test("describeTensorflow() says how to set it up where it is not", async () => {
  const { cpu, gpu } = await reportFor(await Deno.makeTempDir());
  const fix = "deno task setup:tensorflow";
  assertEquals<unknown>(cpu.description, { name: "tensorflow", available: false, reason: "not set up", fix });
  if (!skipUnless(findNvidiaCard() === undefined, "this machine has an NVIDIA GPU")) {
    assertEquals<unknown>(gpu.description, {
      name: "tensorflow-gpu",
      available: false,
      reason: "no NVIDIA GPU is visible",
    });
  }
  assertEquals([cpu.grants.read, cpu.grants.ffi], [undefined, undefined]);
});

Deno.test("describeTensorflow() finds what is set up in the user's cache", async () => {
  const cache = pretendSetUp(false);
  const { cpu, gpu } = await reportFor(cache);
  assert(cpu.description.available && !gpu.description.available);
  assertMatch(cpu.description.numerics!, /^tensorflow-cpu\/2\.21\.0\/(x86|arm64)[^/]*\/\d+-threads?$/);
  assertEquals(cpu.grants.read, [join(cache, "noiseline", "tensorflow")]);
  assert(cpu.grants.ffi![0]!.startsWith(cpu.grants.read![0]!));
  for (const name of ["XDG_CACHE_HOME", "HOME", "TF_NUM_INTRAOP_THREADS"]) assert(cpu.grants.env!.includes(name));
  assert(!cpu.grants.env!.includes("CUDA_CACHE_PATH"));
});

Deno.test("device tensorflow-gpu is not available without an NVIDIA GPU", async () => {
  if (skipUnless(findNvidiaCard()?.driver === undefined, "this machine has an NVIDIA GPU")) return;
  const { gpu } = await reportFor(pretendSetUp(true));
  assert(!gpu.description.available);
  assertEquals(gpu.description.reason, "no NVIDIA GPU is visible");
  assert(gpu.grants.env!.includes("CUDA_CACHE_PATH"));
});

Deno.test("openTensorflowDevice() says what is wrong with an addon that does not load", async () => {
  const cache = pretendSetUp(false);
  const program = `
    import { openTensorflowDevice } from "science/tensor/tensorflow/device.ts";
    await openTensorflowDevice({ gpu: false });`;
  const { code, err } = await runModule(program, { env: { XDG_CACHE_HOME: cache } });
  await Deno.remove(cache, { recursive: true });
  assertEquals(code, 1);
  assertStringIncludes(err, "Cannot load TensorFlow from");
  assertStringIncludes(err, "Fix: deno task setup:tensorflow --force");
});

Deno.test("openTensorflowDevice() says how to set it up where it is not", async () => {
  const program = `
    import { openTensorflowDevice } from "science/tensor/tensorflow/device.ts";
    await openTensorflowDevice({ gpu: true });`;
  const { code, err } = await runModule(program, { env: { XDG_CACHE_HOME: "/nowhere" } });
  assertEquals(code, 1);
  assertStringIncludes(
    err,
    'Cannot open device "tensorflow-gpu": TensorFlow is not set up. Fix: deno task setup:tensorflow --gpu',
  );
});

Deno.test("setTensorflowEnvironment() keeps the user's values but for what decides results", async () => {
  const program = `
    import { setTensorflowEnvironment } from "science/tensor/tensorflow/installation.ts";
    setTensorflowEnvironment(true, 3);
    const names = ["TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "CUDA_CACHE_MAXSIZE"];
    console.log(names.map((name) => Deno.env.get(name)).join());`;
  const env = { TF_CPP_MIN_LOG_LEVEL: "0", TF_ENABLE_ONEDNN_OPTS: "0", TF_NUM_INTRAOP_THREADS: "7" };
  assertEquals((await runModule(program, { env })).out, "0,1,3,4294967296");
});

/** Makes the root folder of a machine's system, with these files in it. */
async function withMachine(files: Readonly<Record<string, string>>, use: (root: string) => void): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(root, path)), { recursive: true });
      await Deno.writeTextFile(join(root, path), text);
    }
    use(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const modelOf = (card: string, model: string) => ({ [`proc/driver/nvidia/gpus/${card}/information`]: model });
const H100 = { "dev/nvidia0": "", ...modelOf("0000:01:00.0", "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: \t 42\n") };
const driverOf = (version: string) => ({
  "proc/driver/nvidia/version": `NVRM version: NVIDIA UNIX x86_64 Kernel Module  ${version}  Fri Jan 17 2025\nGCC\n`,
});
const PCI = "sys/bus/pci/devices";
const PLAIN_CARD = {
  [`${PCI}/0000:00:00.0/vendor`]: "0x8086\n",
  [`${PCI}/0000:00:00.0/class`]: "0x030000\n",
  [`${PCI}/0000:01:00.1/vendor`]: "0x10de\n",
  [`${PCI}/0000:01:00.1/class`]: "0x040300\n",
  [`${PCI}/0000:02:00.0/vendor`]: "0x10de\n",
  [`${PCI}/0000:02:00.0/class`]: "0x030200\n",
  [`${PCI}/0000:02:00.0/device`]: "0x2330\n",
};

Deno.test("nvidiaModels() names each model once", async () => {
  const cards = { ...H100, ...modelOf("b", "Model: Tesla T4\n"), ...modelOf("c", "Model: Tesla T4\n") };
  await withMachine(cards, (root) => assertEquals(nvidiaModels(root), "NVIDIA-H100-80GB-HBM3+Tesla-T4"));
  const nameless = { ...modelOf("a", ""), ...modelOf("b", "Model: Tesla T4\n") };
  await withMachine(nameless, (root) => assertEquals(nvidiaModels(root), "Tesla-T4+nvidia"));
  await withMachine({}, (root) => assertEquals(nvidiaModels(root), "nvidia"));
});

Deno.test("findNvidiaCard() sees cards with a driver, in Windows' subsystem, and on the bus alone", async () => {
  await withMachine({ "dev/nvidiactl": "", "dev/dxg": "" }, (root) => assertEquals(findNvidiaCard(root), undefined));
  await withMachine({ "dev/nvidia3": "" }, (root) => {
    assertEquals(findNvidiaCard(root), { name: "an NVIDIA GPU", driver: "unknown" });
    assert(findNvidiaCard(root)?.driver !== undefined);
  });
  await withMachine({ ...H100, ...driverOf("570.86.15") }, (root) => {
    assertEquals(findNvidiaCard(root), { name: "NVIDIA H100 80GB HBM3", driver: "570.86.15" });
  });
  await withMachine({ "dev/dxg": "", "usr/lib/wsl/lib/libcuda.so.1": "" }, (root) => {
    assertEquals(findNvidiaCard(root), { name: "an NVIDIA GPU", driver: "of Windows" });
  });
  await withMachine(PLAIN_CARD, (root) => {
    assertEquals(findNvidiaCard(root), { name: "NVIDIA GPU 10de:2330", driver: undefined });
    assert(findNvidiaCard(root)?.driver === undefined);
  });
});

Deno.test("a visible card that cannot be used is said to be there, each case in its own words", async () => {
  const told = async (files: Readonly<Record<string, string>>) => {
    let gpu: DeviceDescription | undefined;
    await withMachine(files, (root) => gpu = describeTensorflow(true, undefined, root));
    // deno-lint-ignore require-await -- the real one asks drivers
    const describe = async (name: ConcreteDeviceName): Promise<DeviceDescription> =>
      name === "tensorflow-gpu" ? gpu! : { name, available: name === "onnx", reason: `the ${name}`, numerics: name };
    const chosen = await chooseDevice("auto", { describe });
    assert(chosen.available);
    assertEquals(chosen.name, "onnx");
    return chosen.warning;
  };
  const line = (name: string, reason: string) =>
    `${name} is here, but device tensorflow-gpu cannot use it: ${reason}; onnx is used instead, which is slower`;
  assertEquals(await told({}), undefined);
  assertEquals(await told(PLAIN_CARD), {
    message: line("NVIDIA GPU 10de:2330", "it has no driver"),
    fix: "install NVIDIA's driver, 525 or newer, then: deno task setup:tensorflow --gpu",
  });
  if (skipUnless(Deno.build.arch === "x86_64", "the wheels are for x86_64")) return;
  assertEquals(await told({ ...H100, ...driverOf("470.57.02") }), {
    message: line("NVIDIA H100 80GB HBM3", "its driver, 470.57.02, is too old for CUDA 12"),
    fix: "install NVIDIA's driver 525 or newer, then: deno task setup:tensorflow --gpu",
  });
  if (skipUnless(findInstallation(true) === undefined, "TensorFlow is set up for a card here")) return;
  assertEquals(await told({ ...H100, ...driverOf("570.86.15") }), {
    message: line("NVIDIA H100 80GB HBM3", "not set up"),
    fix: "deno task setup:tensorflow --gpu",
  });
});

Deno.test("explainGpuFailure() tells what TensorFlow says from one another", () => {
  // As TensorFlow 2.21 and CUDA write them.
  const words: Readonly<Record<string, string>> = {
    "E0000 cuda_executor.cc:1228] failed call to cuInit: CUDA_ERROR_OUT_OF_MEMORY: out of memory\nno GPU":
      "another process is using it or its memory",
    "all CUDA-capable devices are busy or unavailable\nno GPU": "another process is using it or its memory",
    "CUDA driver version is insufficient for CUDA runtime version\nno GPU":
      "its driver is too old for this TensorFlow's CUDA",
    "W0000 gpu_device.cc:2342] Cannot dlopen some GPU libraries.\nno GPU":
      "TensorFlow's libraries are for another CUDA version than the GPU or its driver needs",
    "it took more than 900 s and was stopped": "it does not compute: it took more than 900 s and was stopped",
    "": "it does not compute: its process ended without a message",
  };
  for (const [said, reason] of Object.entries(words)) {
    const trouble = explainGpuFailure(said);
    assertEquals([trouble.reason, trouble.passing === true], [reason, reason.startsWith("another process")]);
    assert(trouble.fix !== undefined);
  }
});

Deno.test("cards that CUDA_VISIBLE_DEVICES hides are not missed", async () => {
  const program = `
    import { describeTensorflow } from "science/tensor/tensorflow/describe.ts";
    console.log(JSON.stringify(describeTensorflow(true, 1, Deno.env.get("ROOT"))));`;
  const root = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(root, "dev"));
    await Deno.writeTextFile(join(root, "dev", "nvidia0"), "");
    const { out } = await runModule(program, { env: { ROOT: root, CUDA_VISIBLE_DEVICES: "-1" } });
    const { reason, seen } = JSON.parse(out);
    assertEquals([reason, seen], ["CUDA_VISIBLE_DEVICES hides all GPUs", undefined]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
