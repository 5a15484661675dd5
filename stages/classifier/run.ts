import * as tf from "@tensorflow/tfjs-core";
import { layoutOf, writeClassifier } from "../../artifacts/classifier.ts";
import { type ImageReader, openImages } from "../../artifacts/image_files.ts";
import { describeImageSet, writeMetrics } from "../../artifacts/metrics.ts";
import type { ContextOf, SavedState, StageEnd } from "../../contract/stage.ts";
import type { TrainingLoss } from "../../diffusion/gradient_step.ts";
import { initialParameters, packParameters } from "../../diffusion/network.ts";
import { type Normalizer, recordOf } from "../../diffusion/normalizer.ts";
import { adamBiasCorrections } from "../../diffusion/recipe.ts";
import { decodeVectors, encodeVectors, vectorOf } from "../../formats/vectors.ts";
import { type ClassifierConfig, classify } from "../../metrics/features/classifier_network.ts";
import { range } from "../../metrics/vectors.ts";
import { type Device, randomStream } from "../../tensor/mod.ts";
import { openClassifier } from "../shared/open_classifier.ts";
import { withDevice } from "../shared/device.ts";
import { batchImages } from "../shared/epochs.ts";
import { scalarFeeds } from "../shared/feeds.ts";
import { runOf } from "../shared/run_of.ts";
import { takeSteps } from "../shared/steps.ts";
import { initialState, makeStepper, type TrainVectors } from "../shared/training.ts";
import { classifierKind } from "./kind.ts";

type Context = ContextOf<typeof classifierKind>;

const STATE_FILE = "state.safetensors";

/** A norm that no gradient of a classifier reaches. */
const UNCLIPPED = 1e30;

export default runOf(classifierKind, async (context) => {
  const { params, seed, inputs, outputs } = context;
  using images = await openImages(inputs.images);
  using test = inputs.test === undefined ? undefined : await openImages(inputs.test);
  const { height, width, channels, classes, source } = images.info;
  const network: ClassifierConfig = { height, width, channels, classes: classes!, base: params.base };
  const judged = test ?? images;
  const trained = await withDevice(context, async (device) => {
    const vectors = await train(context, { device, images, network });
    if ("status" in vectors) return vectors;
    return {
      params: vectors.params,
      accuracy: await accuracyOf(vectors.params, { device, images: judged, network, normalizer: images.normalizer }),
    };
  });
  if ("status" in trained) return trained;
  const { accuracy } = trained;
  const config = {
    ...{ network, steps: params.steps, seed, accuracy: test === undefined ? null : accuracy },
    ...recordOf(images),
    images: source,
  };
  await writeClassifier(outputs.classifier, { config, params: trained.params });
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

async function train(context: Context, { device, images, network }: Subject): Promise<TrainVectors | StageEnd> {
  const { params, progress, seed } = context;
  const { batchSize, steps, learningRate } = params;
  const stream = (purpose: string) => randomStream({ seed, stream: `classifier/${purpose}` });
  const init = stream("init");
  const saved = await progress.latest();
  const layout = layoutOf(network);
  const initial = () => initialParameters(layout, (place, _kind, count) => init.uniform(place, count));
  const vectors = saved === undefined
    ? initialState(layout, seed, undefined, { params: packParameters(initial(), layout) }).vectors
    : await readState(saved, layout.count);
  if (saved?.step === steps) return vectors;

  const { x0, read } = batchImages(images, { batchSize, flip: false }, stream);
  const loss = classifierLoss(network);
  const stepper = await makeStepper(device, { loss, params: { batchSize, microBatches: 1 }, vectors });
  return await takeSteps(context, {
    from: saved?.step ?? 0,
    async step(step) {
      const labels = new Float32Array(batchSize * network.classes);
      read(step).forEach((image, i) => labels[i * network.classes + images.labels![image]!] = 1);
      const settings = { learningRate, ...adamBiasCorrections(step), emaDecay: 0, clipNorm: UNCLIPPED };
      const { loss, gradNorm } = await stepper.step({ x0, labels }, scalarFeeds(settings));
      if (!Number.isFinite(loss)) {
        const fix = `lower learningRate (now ${learningRate})`;
        return { status: "failed", message: `the loss is ${loss} at step ${step}`, fix };
      }
      return { loss, gradNorm, learningRate };
    },
    state: () => stepper.vectors(),
    encode: ({ params, m, v }) => ({ [STATE_FILE]: encodeVectors({ params, m, v }) }),
  });
}

async function accuracyOf(
  params: Float32Array<ArrayBuffer>,
  { device, images, network, normalizer }: Subject & { readonly normalizer: Normalizer },
): Promise<number> {
  const { count } = images.info;
  const batchSize = Math.min(256, count);
  const classifyBatch = await openClassifier({ network, params, normalizer }, { device, batchSize });
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

/** Reads a saved state, in which there is no average. */
async function readState(saved: SavedState, parameters: number): Promise<TrainVectors> {
  const { vectors } = decodeVectors(await saved.read(STATE_FILE));
  const vector = (name: string) =>
    vectorOf(vectors, name, { file: STATE_FILE, type: Float32Array, length: parameters });
  return { params: vector("params"), m: vector("m"), v: vector("v"), ema: vector("params").slice() };
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
