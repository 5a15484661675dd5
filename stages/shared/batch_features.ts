import {
  type ClassifierConfig,
  classifierDimension,
  classify,
  countClassifierParameters,
  unpackClassifier,
} from "../../metrics/features/classifier_network.ts";
import type { Device } from "../../tensor/mod.ts";
import { bytesToUnit } from "./feeds.ts";

/**
 * @param fill puts bytes of images as the network takes them
 * @returns maps up to a batch of images, bytes [B, H, W, C], to [B, D] and [B, classes], which are valid until the next batch
 */
export function batchFeatures(
  run: (images: Float32Array<ArrayBuffer>, results: Record<string, Float32Array<ArrayBuffer>>) => Promise<unknown>,
  { batchSize, pixels, dimension, classes, fill }: {
    readonly batchSize: number;
    /** Numbers of one image. */
    readonly pixels: number;
    readonly dimension: number;
    readonly classes: number;
    readonly fill: (bytes: Uint8Array, out: Float32Array) => void;
  },
) {
  const images = new Float32Array(batchSize * pixels);
  const results = { features: new Float32Array(batchSize * dimension), logits: new Float32Array(batchSize * classes) };
  return async (bytes: Uint8Array) => {
    const count = bytes.length / pixels;
    fill(bytes, images.subarray(0, bytes.length));
    await run(images, results);
    return {
      features: results.features.subarray(0, count * dimension),
      logits: results.logits.subarray(0, count * classes),
    };
  };
}

/** The features of images under a classifier. */
export async function openClassifier(
  { network, params }: { readonly network: ClassifierConfig; readonly params: Float32Array<ArrayBuffer> },
  { device, batchSize }: { readonly device: Device; readonly batchSize: number },
) {
  const { height, width, channels, classes } = network;
  const compiled = await device.compile(
    ({ params, x }) => ({ ...classify(unpackClassifier(params!, network), x!) }),
    {
      params: { shape: [countClassifierParameters(network)], dtype: "float32" },
      x: { shape: [batchSize, height, width, channels], dtype: "float32" },
    },
    { label: "classifier" },
  );
  const bound = await compiled.bind({ params });
  const pixels = height * width * channels;
  const options = { batchSize, pixels, dimension: classifierDimension(network), classes, fill: bytesToUnit };
  return batchFeatures((x, results) => bound.run({ x }, results), options);
}
