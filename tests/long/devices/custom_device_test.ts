import { assertEquals, assertMatch } from "@std/assert";
import { tryDevice } from "../../../engine/process/device_trial.ts";
import { findStageDevice } from "../../../stages/shared/device.ts";
import { onlyIf } from "../../support/proc.ts";
import { Project } from "../../support/project.ts";

const SQUARES = `import * as tf from "@tensorflow/tfjs-core";
import { defineStage, withDevice } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "Squares numbers on a device",
  params: z.strictObject({ numbers: z.array(z.number()) }),
  inputs: {},
  outputs: { out: { type: "files", description: "The squares" } },
  device: true,
  async run(context) {
    const { params, outputs, device: found } = context;
    const x = new Float32Array(params.numbers);
    const squares = await withDevice(context, async (device) => {
      const square = await device.compile(({ x }) => ({ y: tf.square(x!) }), { x: { shape: [x.length], dtype: "float32" } });
      return (await square.run({ x })).y!;
    });
    let contained = false;
    try {
      Deno.dlopen("/nowhere/lib.so", {});
    } catch (error) {
      contained = error instanceof Deno.errors.NotCapable;
    }
    await outputs.out.write("squares.json", JSON.stringify({ on: found!.name, contained, squares: [...squares] }));
  },
});
`;

Deno.test("a custom stage with device: true computes on what its param names, as built-in kinds do", async () => {
  await using project = new Project({ files: { "squares.ts": SQUARES } });
  const pipeline = (device: string) =>
    `name: demo
stages:
  wasm: { uses: ./squares.ts, with: { numbers: [1, 2, 3], device: wasm } }
  onnx: { uses: ./squares.ts, with: { numbers: [2, 3, 4], device: ${device}, threads: 1 } }
`;
  project.write("p.yaml", pipeline("onnx"));
  // Only the native device has to be granted.
  const ungranted = await project.cli(["run", "p.yaml"]);
  assertEquals(ungranted.code, 2);
  assertMatch(
    ungranted.stderr,
    /\.\/squares\.ts asks for rights that you have not granted[^]*got: {4}native\n[^]*--grant onnx:native\n/,
  );
  const { code, stdout, stderr } = await project.cli(["run", "p.yaml", "--grant", "onnx:native"]);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^wasm: run on wasm/m);
  // Squares of small integers are exact in float32. On both devices, the stage cannot load a library outside the
  // package's folder.
  const wrote = (stage: string) => JSON.parse(project.read(`outputs/demo/${stage}/squares.json`));
  assertEquals(wrote("wasm"), { on: "wasm", contained: true, squares: [1, 4, 9] });
  assertEquals(wrote("onnx"), { on: "onnx", contained: true, squares: [4, 9, 16] });
  const results = project.files(".noiseline/results").map((name) =>
    JSON.parse(project.read(`.noiseline/results/${name}`))
  );
  assertEquals(results.map(({ numerics }) => numerics.split("/")[0]).sort(), ["onnx-cpu", "wasm"]);

  // The device is in no key.
  project.write("p.yaml", pipeline("wasm"));
  const { json } = await project.cli(["plan", "p.yaml", "--json"]);
  assertEquals(json.stages.map(({ state }: { state: string }) => state), ["cached", "cached"]);
});

Deno.test("a stage's device says whether native code computes there", async () => {
  const native = async (device: "wasm" | "onnx") => {
    const found = await findStageDevice({ device }, tryDevice);
    return "device" in found ? found.device.native : found.problem.message;
  };
  assertEquals([await native("wasm"), await native("onnx")], [false, true]);
});

for (
  const [what, from, to, message] of [
    [
      "params that are the device's",
      "z.strictObject({",
      "z.strictObject({ threads: z.int(),",
      /have "threads", which means something else/,
    ],
    ["a device that it did not ask for", "  device: true,\n", "", /The stage has no device\. Fix: set device: true/],
  ] as const
) {
  Deno.test(`a custom stage is refused ${what}`, async () => {
    await using project = new Project({
      files: {
        "squares.ts": SQUARES.replace(from, to),
        "p.yaml": "name: demo\nstages:\n  a: { uses: ./squares.ts, with: { numbers: [1] } }\n",
      },
    });
    const { code, stderr } = await project.cli(["run", "p.yaml"]);
    assertEquals(code, what.startsWith("params") ? 2 : 1);
    assertMatch(stderr, message);
  });
}

const GREEDY = `import * as tf from "@tensorflow/tfjs-core";
import { defineStage, withDevice } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "Wants more memory than there is",
  params: z.strictObject({ batchSize: z.int() }),
  inputs: {},
  outputs: { out: { type: "files", description: "Nothing" } },
  device: true,
  async run(context) {
    const { params: { batchSize } } = context;
    await withDevice(context, async (device) => {
      // 16 TiB in all, which PyTorch asks the system for at once.
      const [size, other] = [batchSize * 2 ** 14, 2 ** 21];
      const greedy = await device.compile(({ x, y }) => ({ sum: tf.sum(tf.matMul(x!, y!)) }), {
        x: { shape: [size, 1], dtype: "float32" },
        y: { shape: [1, other], dtype: "float32" },
      });
      await greedy.run({ x: new Float32Array(size), y: new Float32Array(other) });
    });
  },
});
`;

const found = await findStageDevice({ device: "torch" }, tryDevice);
Deno.test({
  ...onlyIf(
    "device" in found,
    "PyTorch is not set up",
    "a stage whose device is out of memory says which batch takes half of it",
  ),
  async fn() {
    await using project = new Project({
      files: {
        "greedy.ts": GREEDY,
        "p.yaml": "name: demo\nstages:\n  a: { uses: ./greedy.ts, with: { batchSize: 128, device: torch } }\n",
      },
    });
    const { code, stderr, stdout } = await project.cli(["run", "p.yaml", "--grant", "a:native"]);
    assertEquals(code, 1, stderr);
    assertMatch(stdout + stderr, /device torch is out of memory with batchSize 128: .*can't allocate memory/);
    assertMatch(stdout + stderr, /set batchSize: 64, or use a machine with more memory/);
  },
});
