import * as tf from "@tensorflow/tfjs-core";
import { layoutOf, writeClassifier } from "../../artifacts/classifier.ts";
import { type ImageReader, openImages } from "../../artifacts/image_files.ts";
import { describeImageSet, writeMetrics } from "../../artifacts/metrics.ts";
import type { ContextOf, StageEnd } from "../../engine/contract/stage.ts";
import type { TrainingLoss } from "../../science/diffusion/gradient_step.ts";
import { initialParameters, packParameters } from "../../science/diffusion/network.ts";
import { recordOf } from "../../science/diffusion/normalizer.ts";
import { ADAM } from "../../science/diffusion/recipe.ts";
import { type ClassifierConfig, classify } from "../../science/metrics/features/classifier_network.ts";
import { range } from "../../science/metrics/vectors.ts";
import { type Device, randomStream } from "../../science/tensor/mod.ts";
import { openClassifier } from "../shared/open_classifier.ts";
import { withDevice } from "../shared/device.ts";
import { batchImages } from "../shared/epochs.ts";
import { runOf } from "../shared/run_of.ts";
import { initialState, type TrainState } from "../shared/training.ts";
import { trainFromNewest } from "../shared/training_loop.ts";
import { classifierKind } from "./kind.ts";

type Context = ContextOf<typeof classifierKind>;

/** A norm that no gradient of a classifier reaches. */
const UNCLIPPED = 1e30;

/** Settings of a training whose learning rate stays, and whose average nobody reads. */
const PLAIN = {
  ...{ microBatches: 1, warmupSteps: 0, learningRateDecay: undefined, gradClip: UNCLIPPED, adam: ADAM },
  ema: { decay: 0, warmup: false },
} as const;

export default runOf(classifierKind, async (context) => {
  const { params, seed, inputs, outputs } = context;
  using images = await openImages(inputs.images);
  using test = inputs.test === undefined ? undefined : await openImages(inputs.test);
  const { height, width, channels, classes, source } = images.info;
  const network: ClassifierConfig = { height, width, channels, classes: classes!, base: params.base };
  const judged = test ?? images;
  const trained = await train(context, images, network);
  if ("status" in trained) return trained;
  const { params: weights } = trained.vectors;
  const accuracy = await withDevice(context, (device) => accuracyOf(weights, { device, images: judged, network }));
  const config = {
    ...{ network, steps: params.steps, seed, accuracy: test === undefined ? null : accuracy },
    ...recordOf(images),
    images: source,
  };
  await writeClassifier(outputs.classifier, { config, params: weights });
  const note = test === undefined ? { note: "on the images that it learned from: no others were given" } : {};
  await writeMetrics(outputs.metrics, {
    seed,
    images: { images: describeImageSet(inputs.test ?? inputs.images, judged, judged.info.count) },
    metrics: [{ name: "accuracy", value: accuracy, count: judged.info.count, ...note }],
  });
  return undefined;
});

interface Subject {
  readonly device: Device;
  readonly images: ImageReader;
  readonly network: ClassifierConfig;
}

function train(context: Context, images: ImageReader, network: ClassifierConfig): Promise<TrainState | StageEnd> {
  const { params, seed } = context;
  const { batchSize } = params;
  const stream = (purpose: string) => randomStream({ seed, stream: `classifier/${purpose}` });
  const init = stream("init");
  const layout = layoutOf(network);
  const { x0, prepare, read } = batchImages(images, { batchSize, flip: false }, stream);
  return trainFromNewest({ ...context, params: { ...PLAIN, ...params } }, {
    loss: classifierLoss(network),
    begin() {
      const initial = initialParameters(layout, (place, _kind, count) => init.uniform(place, count));
      return initialState(layout, seed, undefined, { params: packParameters(initial, layout) });
    },
    open: () => ({
      batch: {
        at(step) {
          const labels = new Float32Array(batchSize * network.classes);
          read(step).forEach((image, i) => labels[i * network.classes + images.labels![image]!] = 1);
          return { x0, labels };
        },
        prepare,
      },
    }),
  });
}

async function accuracyOf(
  params: Float32Array<ArrayBuffer>,
  { device, images, network }: Subject,
): Promise<number> {
  const { count } = images.info;
  const batchSize = Math.min(256, count);
  const classifyBatch = await openClassifier({ network, params, normalizer: images.normalizer }, { device, batchSize });
  let right = 0;
  for (let first = 0; first < count; first += batchSize) {
    const last = Math.min(first + batchSize, count);
    const { logits } = await classifyBatch(images.rows(range(first, last - first)));
    for (let i = 0; i < last - first; i++) {
      const own = logits.subarray(i * network.classes, (i + 1) * network.classes);
      right += Number(own.indexOf(Math.max(...own)) === images.labels![first + i]!);
    }
  }
  return right / count;
}

/** The cross-entropy of each image, whose `labels` [B, classes] are one-hot. */
function classifierLoss(config: ClassifierConfig): TrainingLoss {
  const { height, width, channels, classes } = config;
  return {
    ...layoutOf(config),
    readsAverage: false,
    batchSignature: (batch) => ({
      x0: { shape: [batch, height, width, channels], dtype: "float32" },
      labels: { shape: [batch, classes], dtype: "float32" },
    }),
    of: ({ x0, labels }) => (weights) => {
      const { logits } = classify(weights, x0!);
      // Logits are shifted by a constant per image, so that no exponential overflows; the shift does not change the
      // gradient.
      const shifted = tf.sub(logits, tf.mean(logits, 1, true));
      const logSum = tf.log(tf.sum(tf.exp(shifted), 1));
      return tf.sub(logSum, tf.sum(tf.mul(labels!, shifted), 1));
    },
  };
}
