import { assert } from "@std/assert";
import { readTorchStateDict } from "../../formats/torch/state_dict.ts";
import type { Resize } from "../../metrics/features/inception_network.ts";
import { RESIZES } from "../../metrics/features/inception_network.ts";
import { openParityDevice, skipAbsent } from "../parity/devices.ts";
import { fullWeights, inceptionAnswers, inceptionErrors, NARROW_WEIGHTS } from "../support/inception.ts";

// Of the largest number: see tests/unit/metrics/inception_test.ts.
const TOLERANCE = 1e-5;

for (const name of ["onnx", "tensorflow", "wasm", "webgpu"] as const) {
  Deno.test(`${name} gives the features of Inception`, async (t) => {
    if (await skipAbsent(t, name)) return;
    const device = await openParityDevice(name, 2);
    const narrow = readTorchStateDict(await Deno.readFile(NARROW_WEIGHTS));
    for (const resize of Object.keys(RESIZES) as Resize[]) {
      const { features, logits } = await inceptionErrors(device, narrow, await inceptionAnswers("narrow"), resize);
      assert(Math.max(features, logits) < TOLERANCE, `${resize}: ${features}, ${logits}`);
    }
    await device.dispose();
  });
}

Deno.test("onnx gives the features of Inception with all of its channels", async () => {
  const device = await openParityDevice("onnx", 2);
  const [state, wanted] = [await fullWeights(), await inceptionAnswers("full")];
  for (const resize of Object.keys(RESIZES) as Resize[]) {
    const { features, logits } = await inceptionErrors(device, state, wanted, resize);
    assert(Math.max(features, logits) < TOLERANCE, `${resize}: ${features}, ${logits}`);
  }
  await device.dispose();
});
