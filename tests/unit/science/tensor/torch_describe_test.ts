import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { dirname, join } from "node:path";
import type { Write } from "../../../../science/tensor/torch/places.ts";
import { planOf } from "../../../../science/tensor/torch/plan.ts";
import { Graph, type OperationValue, type Value } from "../../../../science/tensor/trace/graph.ts";
import { slice } from "../../../../science/tensor/trace/emit/shape.ts";
import { binary, unary } from "../../../../science/tensor/trace/emit/elementwise.ts";
import type { DeviceDescription } from "../../../../science/tensor/devices.ts";
import { runModule } from "./tensorflow_child.ts";

const FOLDER = "noiseline/torch/cpu-torch-2.15.0";
const LIBRARIES = {
  "torch/lib/libtorch_cpu.so": "the library",
  "torch/lib/libc10.so": "its base",
  "torch/lib/libgomp.so.1": "its threads",
  "nvidia/cu13/lib/libcudart.so.13": "what it is linked with",
};
const sizes = Object.fromEntries(Object.entries(LIBRARIES).map(([file, words]) => [file, words.length]));
const RECORD = JSON.stringify({ torch: "2.15.0", files: sizes });

/** Describes and opens device torch where these files are in the user's cache. */
async function reportWith(files: Readonly<Record<string, string>>) {
  const cache = await Deno.makeTempDir();
  try {
    for (const [file, words] of Object.entries(files)) {
      const path = join(cache, FOLDER, file);
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.writeTextFile(path, words);
    }
    const program = `
      import { openDevice } from "science/tensor/mod.ts";
      import { describeTorch } from "science/tensor/torch/describe.ts";
      const error = await openDevice("torch", { threads: 1 }).catch(({ message }) => message);
      console.log(JSON.stringify({ description: describeTorch({ threads: 2 }), error }));`;
    const { out, err } = await runModule(program, { env: { XDG_CACHE_HOME: cache } });
    assert(out !== "", err);
    return JSON.parse(out) as { readonly description: DeviceDescription; readonly error: string };
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

Deno.test("device torch says how to set it up where it is not, also where another version is", async () => {
  const { description, error } = await reportWith({ "../cpu-torch-2.14.0/setup.json": RECORD });
  assertEquals<unknown>(description, {
    name: "torch",
    available: false,
    reason: "not set up",
    fix: "deno task setup:torch",
  });
  assertEquals(error, 'Cannot open device "torch": not set up. Fix: deno task setup:torch.');
});

const { "torch/lib/libgomp.so.1": _, ...WITHOUT_THREADS } = LIBRARIES;
const BROKEN: Readonly<Record<string, readonly [files: Readonly<Record<string, string>>, problem: string]>> = {
  "a missing library": [{ ...WITHOUT_THREADS, "setup.json": RECORD }, "torch/lib/libgomp.so.1 is missing"],
  "a library that was cut off": [
    { ...LIBRARIES, "setup.json": RECORD, "torch/lib/libtorch_cpu.so": "the lib" },
    "torch/lib/libtorch_cpu.so has 7 bytes, not 11",
  ],
  "no record": [LIBRARIES, "setup.json is missing, damaged or not of PyTorch 2.15.0"],
  "a record that was cut off": [
    { ...LIBRARIES, "setup.json": RECORD.slice(0, -5) },
    "setup.json is missing, damaged or not of PyTorch 2.15.0",
  ],
  "another version's record": [
    { ...LIBRARIES, "setup.json": RECORD.replace("2.15.0", "2.14.0") },
    "setup.json is missing, damaged or not of PyTorch 2.15.0",
  ],
};

for (const [what, [files, problem]] of Object.entries(BROKEN)) {
  Deno.test(`half a set-up is found before it is loaded: ${what}`, async () => {
    const { description, error } = await reportWith(files);
    assertEquals<unknown>(description, {
      name: "torch",
      available: false,
      reason: `its set-up is incomplete: ${problem}`,
      fix: "deno task setup:torch",
    });
    assertStringIncludes(error, problem);
  });
}

const GPU_FOLDER = "../gpu-torch-2.15.0";
const CUDA = { [`${GPU_FOLDER}/torch/lib/libtorch_cuda.so`]: "the library" };
const FOR_CARDS = {
  ...CUDA,
  [`${GPU_FOLDER}/setup.json`]: JSON.stringify({ torch: "2.15.0", files: { "torch/lib/libtorch_cuda.so": 11 } }),
};

/** Describes device torch on a machine with these files in its root folder, where PyTorch is set up for cards. */
async function onMachine(root: Readonly<Record<string, string>>, variables: Readonly<Record<string, string>> = {}) {
  const folder = await Deno.makeTempDir();
  try {
    const files = Object.entries(FOR_CARDS).map(([file, words]) => [join("cache", FOLDER, file), words] as const);
    for (
      const [file, words] of [...files, ...Object.entries(root).map(([file, words]) => [join("root", file), words])]
    ) {
      await Deno.mkdir(dirname(join(folder, file!)), { recursive: true });
      await Deno.writeTextFile(join(folder, file!), words!);
    }
    const program = `
      import { describeTorch } from "science/tensor/torch/describe.ts";
      const root = ${JSON.stringify(join(folder, "root"))};
      const of = (precision) => describeTorch({ threads: 2, precision }, new Set(), root);
      console.log(JSON.stringify([of("fp32"), of("bf16")]));`;
    const { out, err } = await runModule(program, { env: { XDG_CACHE_HOME: join(folder, "cache"), ...variables } });
    assert(out !== "", err);
    return JSON.parse(out) as readonly [DeviceDescription, DeviceDescription];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const driver = (version: string) => ({
  "dev/nvidia0": "",
  "proc/driver/nvidia/version": `NVRM version: NVIDIA UNIX x86_64 Kernel Module  ${version}  Fri Jan 17 2025\nGCC\n`,
  "proc/driver/nvidia/gpus/0/information": "Model: NVIDIA RTX PRO 6000\n",
});

Deno.test("PyTorch for cards computes on one that has a new driver, also in bf16, and says how it rounds", async () => {
  const [exact, rounded] = await onMachine(driver("580.65.06"));
  const card = "torch-cuda/2.15.0/NVIDIA-RTX-PRO-6000";
  assertEquals([exact.available, exact.card, exact.numerics], [true, true, `${card}/tf32`]);
  assertEquals([rounded.available, rounded.card, rounded.numerics], [true, true, `${card}/tf32-bf16`]);
  assertMatch(exact.reason, /PyTorch 2\.15\.0's kernels on the GPU$/);
  const [plain] = await onMachine(driver("580.65.06"), { NVIDIA_TF32_OVERRIDE: "0" });
  assertEquals(plain.numerics, `${card}/float32`);
});

const WITHOUT: Readonly<Record<string, readonly [Parameters<typeof onMachine>, reason: string]>> = {
  "no card": [[{}], "no NVIDIA GPU with a driver is visible"],
  "a card without driver": [
    [{
      "sys/bus/pci/devices/0/vendor": "0x10de",
      "sys/bus/pci/devices/0/class": "0x030000",
      "sys/bus/pci/devices/0/device": "0x2204",
    }],
    "no NVIDIA GPU with a driver is visible",
  ],
  "an old driver": [[driver("570.86.15")], "the GPU's driver, 570.86.15, is too old for CUDA 13"],
  "a hidden card": [[driver("580.65.06"), { CUDA_VISIBLE_DEVICES: "" }], "CUDA_VISIBLE_DEVICES hides all GPUs"],
};
for (const [what, [machine, reason]] of Object.entries(WITHOUT)) {
  Deno.test(`PyTorch for cards says why it uses none: ${what}`, async () => {
    const [{ available, reason: said, fix }] = await onMachine(...machine);
    assertEquals([available, said], [false, `${reason}, and for the processor it is not set up`]);
    assertEquals(fix, "deno task setup:torch");
  });
}

Deno.test("a library that does not load is named, with what to do", async () => {
  const { description, error } = await reportWith({ ...LIBRARIES, "setup.json": RECORD });
  assert(description.available);
  assertMatch(description.numerics!, /^torch-cpu\/2\.15\.0\/(x86|arm64)[^/]*\/2-threads$/);
  assertMatch(error, /^Cannot load PyTorch from .*libtorch_cpu\.(so|dylib): .+\. Fix: deno task setup:torch --force$/);
});

/** Makes a graph of sums and negations; `choices` say of which earlier values. */
function graphOf(choices: readonly (readonly [number, number, boolean])[]) {
  const graph = new Graph();
  const values: Value[] = ["fixed", "fed"].map((name) => graph.input(name, "float32", [2]));
  for (const [a, b, isSum] of choices) {
    const [x, y] = [a, b].map((index) => values[index % values.length]!) as [Value, Value];
    values.push(isSum ? binary(graph, "Add", x, y) : unary(graph, "Neg", x));
  }
  return values;
}

Deno.test("a plan frees each value after its last reader, and keeps results and what never changes", () => {
  const choice = fc.tuple(fc.nat(50), fc.nat(50), fc.boolean());
  fc.assert(fc.property(fc.array(choice, { minLength: 1, maxLength: 30 }), fc.nat(30), (choices, other) => {
    const values = graphOf(choices);
    const outputs = new Map([["y", values.at(-1)!], ["z", values[other % values.length]!]]);
    const { sources, once, each } = planOf(outputs, { fixed: new Set(["fixed"]), carried: [] });
    // Values that are in memory: each step finds its operands among them.
    const there = new Set(sources);
    for (const { value, operands, done } of once) {
      for (const operand of operands) assert(there.has(operand));
      there.add(value);
      done.forEach((operand) => there.delete(operand));
    }
    const kept = new Set(there);
    for (let run = 0; run < 2; run++) {
      for (const { value, operands, done } of each) {
        for (const operand of operands) assert(there.has(operand));
        there.add(value);
        done.forEach((operand) => there.delete(operand));
      }
      const results = [...outputs.values()];
      for (const result of results) assert(there.has(result));
      // Nothing else is left that the next run makes again.
      for (const value of there) assert(kept.has(value) || results.includes(value));
      for (const result of results) if (!kept.has(result)) there.delete(result);
    }
    // Values that depend on the fixed input alone are computed once.
    for (const { operands } of each) assert(operands.some((operand) => !kept.has(operand) || isFed(operand)));
  }));
});

const isFed = (value: Value) => value.kind === "input" && value.name === "fed";

Deno.test("a plan replaces parts of the state as if all were replaced at the end", () => {
  const choice = fc.record({ op: fc.constantFrom("Add", "Average"), a: fc.nat(50), b: fc.nat(50) });
  const run = fc.record({
    choices: fc.array(choice, { maxLength: 12 }),
    parts: fc.array(fc.nat(50), { minLength: 4 }),
  });
  fc.assert(fc.property(run, ({ choices, parts }) => {
    const graph = new Graph();
    const [state, fed] = ["state", "fed"].map((name) => graph.input(name, "float32", [6])) as [Value, Value];
    const values = [state, fed].flatMap((whole) =>
      [0, 2, 4].map((start) => slice(graph, whole, [{ axis: 0, start, count: 2 }]))
    );
    const pick = (index: number) => values[index % values.length]!;
    for (const { op, a, b } of choices) values.push(graph.operation(op, [pick(a), pick(b)], "float32", [2]));
    const joined = graph.operation("Concat", parts.slice(0, 3).map(pick), "float32", [6], { axis: 0 });
    const outputs = new Map([["state", joined], ["y", pick(parts[3]!)]]);

    const compute = ({ op, inputs }: OperationValue, operands: readonly Float32Array[]) => {
      if (op === "Slice") return operands[0]!.subarray(numbersAt(inputs[1]!), numbersAt(inputs[1]!) + 2);
      const other = operands[1]!.slice();
      return operands[0]!.map((x, i) => op === "Add" ? x + other[i]! : (x + 2 * other[i]!) / 4);
    };
    const start = { state: Float32Array.of(1, 2, 3, 4, 5, 6), fed: Float32Array.of(7, 8, 9, 10, 11, 12) };
    const wantedOf = (value: Value): Float32Array =>
      value.kind === "operation"
        ? compute(value, value.inputs.map(wantedOf))
        : start[value === state ? "state" : "fed"];
    const wanted = parts.slice(0, 3).flatMap((part) => [...wantedOf(pick(part))]);

    const held = start.state.slice();
    const arrays = new Map<Value, Float32Array>([[state, held], [fed, start.fed]]);
    const { once, each, late } = planOf(outputs, { fixed: new Set(), carried: ["state"] });
    // Parts of the state are made once.
    for (const { value, operands } of once) {
      assert(value.op === "Slice" && operands[0] === state);
      arrays.set(value, compute(value, operands.map((operand) => arrays.get(operand)!)));
    }
    const replace = (write: Write, array: Float32Array) => held.set(array, write.start);
    for (const { value, operands, overwrites, writes } of each) {
      const made = compute(value, operands.map((operand) => arrays.get(operand)!));
      const own = overwrites[0] === true ? arrays.get(operands[0]!)! : made;
      if (own !== made) own.set(made);
      arrays.set(value, own);
      for (const write of writes) replace(write, arrays.get(write.value)!);
    }
    assertEquals([...arrays.get(outputs.get("y")!)!], [...wantedOf(outputs.get("y")!)]);
    const copies = late.map(({ value }) => arrays.get(value)!.slice());
    late.forEach((write, i) => replace(write, copies[i]!));
    assertEquals([...held], wanted);
  }));
});

const numbersAt = (value: Value) => value.kind === "constant" ? Number(value.data[0]) : NaN;
