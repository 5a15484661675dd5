import type { ImageReader } from "../../artifacts/image_files.ts";
import type { Autoencoder } from "../../diffusion/autoencoder/autoencoder.ts";
import { unpackTensors } from "../../diffusion/network.ts";
import { range } from "../../metrics/vectors.ts";
import type { Device } from "../../tensor/mod.ts";

/** Images whose codes are counted, at most. */
const MOST_COUNTED = 1024;

/** Counts how many codes of a codebook the first images use. @returns undefined without a codebook that counts */
export async function countCodes(
  device: Device,
  { images, autoencoder, params, batchSize }: {
    readonly images: ImageReader;
    readonly autoencoder: Autoencoder;
    /** Flat weights, [P]. */
    readonly params: Float32Array<ArrayBuffer>;
    readonly batchSize: number;
  },
): Promise<{ readonly used: number; readonly codes: number; readonly images: number } | undefined> {
  const { encode, quantize } = autoencoder;
  if (quantize === undefined) return undefined;
  const [, height, width, channels] = images.shape;
  const counting = await device.compile(({ params, x }): Record<string, NonNullable<typeof x>> => {
    const weights = unpackTensors(params!, autoencoder);
    const { counts } = quantize({ weights, z: encode({ weights, x: x!, dropout: (h) => h }).mean });
    return counts === undefined ? { x: x! } : { counts };
  }, {
    params: { shape: [autoencoder.count], dtype: "float32" },
    x: { shape: [batchSize, height, width, channels], dtype: "float32" },
  }, { label: "codes" });
  const codes = counting.outputs["counts"]?.shape[0];
  if (codes === undefined) return undefined;
  const batches = Math.max(1, Math.floor(Math.min(MOST_COUNTED, images.info.count) / batchSize));
  const x = new Float32Array(batchSize * images.size);
  const used = new Set<number>();
  for (let batch = 0; batch < batches; batch++) {
    images.read(range(batch * batchSize, batchSize), x);
    const { counts } = await counting.run({ params, x });
    counts!.forEach((count, code) => count > 0 && used.add(code));
  }
  return { used: used.size, codes, images: batches * batchSize };
}
