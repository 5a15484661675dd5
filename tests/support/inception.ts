import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeSafetensors } from "../../science/formats/safetensors.ts";
import type { StateDict } from "../../science/metrics/features/inception_network.ts";
import { openInception, type Resize } from "../../science/metrics/features/inception_network.ts";
import type { Device } from "../../science/tensor/device.ts";

const FOLDER = fileURLToPath(new URL("../golden/inception/", import.meta.url));

/** The network with a 32nd of its channels, as torch saved it. */
export const NARROW_WEIGHTS = join(FOLDER, "narrow.pth");

/** Returns the outputs of pytorch-fid and torch-fidelity for two images in float64: see dev/fid/make_fixture.py. */
export async function inceptionAnswers(name: "narrow" | "full") {
  const { tensors } = decodeSafetensors(await Deno.readFile(join(FOLDER, `${name}.safetensors`)));
  const { shape: [count, height, width, channels], data } = tensors["images"]!;
  const images = { count: count!, height: height!, width: width!, channels: channels!, data: data as Uint8Array };
  const answers = (resize: Resize) => ({
    features: tensors[`${resize}.features`]!.data as Float32Array,
    logits: tensors[`${resize}.logits`]!.data as Float32Array,
  });
  return { images, answers };
}

/** The same as `numbers` in dev/fid/make_fixture.py. */
export function numbers(seed: number, count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => {
    let h = (i + seed * 2 ** 28) >>> 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32 - 0.5;
  });
}

/** The same as `fill` in dev/fid/make_fixture.py: weights of the whole network. */
export async function fullWeights(): Promise<StateDict> {
  const { metadata } = decodeSafetensors(await Deno.readFile(join(FOLDER, "full.safetensors")));
  const shapes = Object.entries(JSON.parse(metadata["shapes"]!) as Record<string, number[]>);
  return new Map(shapes.map(([name, shape], seed) => {
    const data = numbers(seed % 16, shape.reduce((product, side) => product * side, 1));
    if (name.endsWith("conv.weight")) {
      const factor = Math.fround(Math.sqrt(24 / (shape[1]! * shape[2]! * shape[3]!)));
      return [name, { shape, data: data.map((value) => factor * value) }];
    }
    const one = name.endsWith("running_var") || name.endsWith("bn.weight") ? 1 : 0;
    const factor = name === "fc.weight" ? Math.fround(0.1) : 1;
    return [name, { shape, data: data.map((value) => factor * value + one) }];
  }));
}

/** Returns the largest error of features and of logits on a device, each as a share of the largest number. */
export async function inceptionErrors(
  device: Device,
  state: StateDict,
  { images, answers }: Awaited<ReturnType<typeof inceptionAnswers>>,
  resize: Resize,
): Promise<{ readonly features: number; readonly logits: number }> {
  const { count, height, width, channels } = images;
  const { extract, release } = await openInception(device, state, { shape: [count, height, width, channels], resize });
  const got = await extract(images.data);
  await release();
  const error = (part: "features" | "logits") => {
    const wanted = answers(resize)[part];
    const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return wanted.reduce((most, value, i) => Math.max(most, Math.abs(got[part][i]! - value)), 0) / largest;
  };
  return { features: error("features"), logits: error("logits") };
}
