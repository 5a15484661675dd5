import { layoutOf } from "../../artifacts/classifier.ts";
import { normalize, type Normalizer } from "../../science/diffusion/normalizer.ts";
import { unpackTensors } from "../../science/diffusion/network.ts";
import { batchFeatures } from "../../science/metrics/features/batch_features.ts";
import {
  type ClassifierConfig,
  classifierDimension,
  classify,
} from "../../science/metrics/features/classifier_network.ts";
import type { Device } from "../../science/tensor/mod.ts";

/** Opens a classifier on a device. @returns a function that computes the features of a batch of images */
export async function openClassifier(
  { network, params, normalizer }: {
    readonly network: ClassifierConfig;
    readonly params: Float32Array<ArrayBuffer>;
    readonly normalizer: Normalizer;
  },
  { device, batchSize }: { readonly device: Device; readonly batchSize: number },
) {
  const { height, width, channels, classes } = network;
  const layout = layoutOf(network);
  const shape = [batchSize, height, width, channels] as const;
  const compiled = await device.compile(
    ({ params, images }) => ({ ...classify(unpackTensors(params!, layout), images!) }),
    {
      params: { shape: [layout.count], dtype: "float32" },
      images: { shape, dtype: "float32" },
    },
    { label: "classifier" },
  );
  const bound = await compiled.bind({ params });
  return batchFeatures(bound, shape, { dimension: classifierDimension(network), classes }, (values, out) => {
    normalize(values, out, normalizer);
  });
}
