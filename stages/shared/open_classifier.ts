import { batchFeatures } from "../../metrics/features/batch_features.ts";
import {
  type ClassifierConfig,
  classifierDimension,
  classify,
  countClassifierParameters,
  unpackClassifier,
} from "../../metrics/features/classifier_network.ts";
import type { Device } from "../../tensor/mod.ts";
import { bytesToUnit } from "./feeds.ts";

/** The features of images under a classifier. */
export async function openClassifier(
  { network, params }: { readonly network: ClassifierConfig; readonly params: Float32Array<ArrayBuffer> },
  { device, batchSize }: { readonly device: Device; readonly batchSize: number },
) {
  const { height, width, channels, classes } = network;
  const shape = [batchSize, height, width, channels] as const;
  const compiled = await device.compile(
    ({ params, images }) => ({ ...classify(unpackClassifier(params!, network), images!) }),
    {
      params: { shape: [countClassifierParameters(network)], dtype: "float32" },
      images: { shape, dtype: "float32" },
    },
    { label: "classifier" },
  );
  const bound = await compiled.bind({ params });
  return batchFeatures(bound, shape, { dimension: classifierDimension(network), classes }, bytesToUnit);
}
