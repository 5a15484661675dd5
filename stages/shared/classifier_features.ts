import {
  type ClassifierConfig,
  classifierDimension,
  classify,
  countClassifierParameters,
  unpackClassifier,
} from "../../metrics/features/classifier_network.ts";
import type { Device } from "../../tensor/mod.ts";
import { bytesToUnit } from "./feeds.ts";

export interface BatchFeatures {
  /** [B, D] row-major, valid until the next batch. */
  readonly features: Float32Array;
  /** [B, classes] */
  readonly logits: Float32Array;
}

/** The features of images under a classifier. @returns what maps up to `batchSize` images of bytes [B, H, W, C] */
export async function openClassifier(
  { network, params }: { readonly network: ClassifierConfig; readonly params: Float32Array<ArrayBuffer> },
  { device, batchSize }: { readonly device: Device; readonly batchSize: number },
): Promise<(bytes: Uint8Array) => Promise<BatchFeatures>> {
  const { height, width, channels, classes } = network;
  const dimension = classifierDimension(network);
  const compiled = await device.compile(
    ({ params, x }) => ({ ...classify(unpackClassifier(params!, network), x!) }),
    {
      params: { shape: [countClassifierParameters(network)], dtype: "float32" },
      x: { shape: [batchSize, height, width, channels], dtype: "float32" },
    },
    { label: "classifier" },
  );
  const bound = await compiled.bind({ params });
  const x = new Float32Array(batchSize * height * width * channels);
  const results = { features: new Float32Array(batchSize * dimension), logits: new Float32Array(batchSize * classes) };
  return async (bytes) => {
    const count = bytes.length / (height * width * channels);
    bytesToUnit(bytes, x.subarray(0, bytes.length));
    await bound.run({ x }, results);
    return {
      features: results.features.subarray(0, count * dimension),
      logits: results.logits.subarray(0, count * classes),
    };
  };
}
