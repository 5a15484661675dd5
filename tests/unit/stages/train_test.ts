import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { decodeSafetensors, encodeSafetensors } from "../../../science/formats/safetensors.ts";
import { readCheckpoint } from "../../../artifacts/checkpoint.ts";
import { digests, MemoryProgress } from "../../support/stage_context.ts";
import { onnxNumerics } from "../../../science/tensor/onnx/describe.ts";
import { checkSameBytes } from "./same_bytes.ts";
import { smallWorld, trainSmall, withFolder } from "./small_world.ts";

// The same on wasm is a long test.
Deno.test("train gives the same bytes straight, stopped and resumed, and extended, on onnx", () =>
  checkSameBytes({ name: "onnx", numerics: onnxNumerics() }));

Deno.test("train logs each step's own figures and writes a checkpoint that can be read back", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const updates: string[] = [];
    const progress = new MemoryProgress();
    const { outputs } = await trainSmall(folder, world, {
      params: { steps: 4, warmupSteps: 4, checkpointEvery: 2 },
      progress,
      onReport: ({ done, total, unit, figures }) => updates.push(`${done}/${total} ${unit} ${Object.keys(figures!)}`),
    });
    assertEquals(updates, [
      "1/4 step loss,gradNorm,learningRate",
      "2/4 step loss,gradNorm,learningRate",
      "3/4 step loss,gradNorm,learningRate",
      "4/4 step loss,gradNorm,learningRate",
    ]);
    assertEquals(progress.steps, [2, 4]);

    const log = (await outputs["log"]!.readText("log.jsonl")).trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals(log.map(({ step }) => step), [1, 2, 3, 4]);
    assertEquals(log.map(({ learningRate }) => learningRate), [0.0025, 0.005, 0.0075, 0.01]);
    assert(log.every(({ loss, gradNorm }) => loss > 0 && gradNorm > 0));

    const raw = await readCheckpoint(outputs["checkpoint"]!, "raw", []);
    const ema = await readCheckpoint(outputs["checkpoint"]!, "ema", []);
    assertEquals([raw.config.step, raw.config.parameters], [4, raw.params.length]);
    assertEquals(raw.path.timesteps, 50);
    assertNotEquals(raw.params, ema.params);
  });
});

Deno.test("train depends on the seed", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const zero = await trainSmall(folder, world, { params: { steps: 1 }, seed: 0 });
    const one = await trainSmall(folder, world, { params: { steps: 1 }, seed: 1 });
    assertNotEquals(digests(zero), digests(one));
  });
});

Deno.test("train fails with the step and a way out when the loss is not finite", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const progress = new MemoryProgress();
    await trainSmall(folder, world, { params: { steps: 2 }, progress });
    // Weights that overflow in the next forward pass, as after a learning rate that was much too high.
    const state = (await progress.latest())!;
    const { tensors, metadata } = decodeSafetensors(await state.read("state.safetensors"));
    (tensors["params"]!.data as Float32Array).fill(1e30);
    const broken = encodeSafetensors({ tensors, metadata });
    await progress.save(2, { "state.safetensors": broken, "log.jsonl": await state.read("log.jsonl") });

    const { end, outputs } = await trainSmall(folder, world, { params: { steps: 4 }, progress });
    assertEquals([end?.status, outputs, progress.steps], ["failed", {}, [2]]);
    assert(end?.status === "failed");
    assertStringIncludes(end.message, "at step 3; the last good checkpoint is step 2");
    assertStringIncludes(end.fix ?? "", "lower learningRate (now 0.01)");
  });
});
