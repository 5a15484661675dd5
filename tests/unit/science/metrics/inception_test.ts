import { assert, assertEquals, assertThrows } from "@std/assert";
import { readTorchStateDict } from "../../../../science/formats/torch/state_dict.ts";
import { inceptionParameters, type Resize, RESIZES } from "../../../../science/metrics/features/inception_network.ts";
import { resizeParam } from "../../../../stages/shared/common_params.ts";
import { openOnnxDevice } from "../../../../science/tensor/onnx/device.ts";
import { inceptionAnswers, inceptionErrors, NARROW_WEIGHTS } from "../../../support/inception.ts";

// Relative to the largest number. float32 through 94 layers: a tenth of this tolerance was observed, on every device.
const TOLERANCE = 1e-5;

Deno.test("Inception gives what pytorch-fid and torch-fidelity give, each with its own resizing", async () => {
  const state = await readTorchStateDict(await Deno.readFile(NARROW_WEIGHTS));
  const wanted = await inceptionAnswers("narrow");
  const device = await openOnnxDevice({ threads: 1 });
  for (const resize of Object.keys(RESIZES) as Resize[]) {
    const { features, logits } = await inceptionErrors(device, state, wanted, resize);
    assert(Math.max(features, logits) < TOLERANCE, `${resize}: ${features}, ${logits}`);
  }
  await device.dispose();
});

Deno.test("weights that are not those of the network are refused by name", async () => {
  const state = new Map(await readTorchStateDict(await Deno.readFile(NARROW_WEIGHTS)));
  const name = "Mixed_6b.branch7x7_2.conv.weight";
  const whole = state.get(name)!;
  state.delete(name);
  assertThrows(() => inceptionParameters(state), RangeError, `${name}: got none, wanted float32 [any,4,1,7]`);
  const turned = { ...whole, shape: whole.shape.toReversed() };
  const none = { ...whole, shape: [0, 4, 1, 7], data: new Float32Array() };
  for (const other of [turned, none]) {
    state.set(name, other);
    assertThrows(() => inceptionParameters(state), RangeError, `${name}: got Float32Array [${other.shape}]`);
  }
});

Deno.test("the ways of resizing that a file may name are those that there are", () => {
  assertEquals(resizeParam().unwrap().options.toSorted(), Object.keys(RESIZES).toSorted());
});
