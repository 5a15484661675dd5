import { assert, assertThrows } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AutoencoderCode } from "../../../../science/diffusion/define.ts";
import { autoencoderTerms } from "../../../../science/diffusion/autoencoder/loss.ts";
import { autoencoderLossParams } from "../../../../science/diffusion/autoencoder/loss_params.ts";
import { decodeSafetensors } from "../../../../science/formats/safetensors.ts";
import { readTorchStateDict } from "../../../../science/formats/torch/state_dict.ts";
import { readLpips } from "../../../../science/metrics/features/lpips_network.ts";
import { openOnnxDevice } from "../../../../science/tensor/onnx/device.ts";

// A folder of dev/metrics/make_lpips_fixture.py; LPIPS names that of the whole network, whose file is too large here.
const FOLDER = Deno.env.get("LPIPS") ?? fileURLToPath(new URL("../../../golden/lpips/", import.meta.url));
// Relative to the largest number. Where all of a pixel's few features are almost 0, the gradient loses digits; that of
// the whole network is within 1e-5.
const TOLERANCES = { distances: 1e-5, gradient: 1e-4 };
const readState = async () => new Map(await readTorchStateDict(await Deno.readFile(join(FOLDER, "lpips.pth"))));

/** An autoencoder that decodes every latent to the same images. */
const decoding = (images: tf.Tensor): AutoencoderCode => ({
  parameters: [],
  latent: { height: 1, width: 1, channels: 1 },
  encode: ({ x }) => ({ mean: x }),
  decode: () => images,
});

Deno.test("the perceptual term of published weights is the distance of the package lpips, with a gradient", async () => {
  const { tensors } = decodeSafetensors(await Deno.readFile(join(FOLDER, "lpips.safetensors")));
  const lpips = readLpips(await readState());
  const options = { ...autoencoderLossParams.parse({ over: "mean" }), ...lpips };
  const device = await openOnnxDevice({ threads: 1 });
  for (const colours of ["rgb", "grey"]) {
    const [x, y] = ["x", "y"].map((part) => tensors[`${colours}.${part}`]!);
    const spec = { shape: x!.shape, dtype: "float32" } as const;
    const compiled = await device.compile((given) => {
      const perceptual = (decoded: tf.Tensor) =>
        autoencoderTerms(decoding(decoded), { x: given["x"]!, dropout: (h) => h }, {}, options)["perceptual"]!;
      const gradient = tf.grad((decoded) => tf.sum(perceptual(decoded)))(given["y"]!);
      return { distances: perceptual(given["y"]!), gradient };
    }, { x: spec, y: spec });
    const floats = (tensor: typeof x) => tensor!.data as Float32Array<ArrayBuffer>;
    const got = await compiled.run({ x: floats(x), y: floats(y) });
    for (const [part, tolerance] of Object.entries(TOLERANCES)) {
      const wanted = tensors[`${colours}.${part}`]!.data as Float32Array;
      const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const error = wanted.reduce((most, value, i) => Math.max(most, Math.abs(got[part]![i]! - value)), 0) / largest;
      assert(error < tolerance, `${colours}: the ${part} are off by ${error} of the largest`);
    }
    await compiled.dispose();
  }
  await device.dispose();
});

Deno.test("weights that are not those of LPIPS over VGG16 are refused by name", async () => {
  const state = await readState();
  const head = state.get("lin4.model.1.weight")!;
  state.set("lin4.model.1.weight", { ...head, shape: [1, head.shape[1]! - 1, 1, 1] });
  assertThrows(() => readLpips(state), RangeError, "weights of LPIPS, lin4.model.1.weight: got Float32Array [1,");
  state.delete("net.slice3.12.bias");
  assertThrows(() => readLpips(state), RangeError, "weights of LPIPS, net.slice3.12.bias: got none, wanted float32 [");
});
