import * as tf from "@tensorflow/tfjs-core";
import { layoutOf, writeClassifier } from "../../artifacts/classifier.ts";
import { type ImageReader, openImages } from "../../artifacts/image_files.ts";
import { describeImageSet, writeMetrics } from "../../artifacts/metrics.ts";
import type { ContextOf, SavedState, StageEnd } from "../../contract/stage.ts";
import { initialParameters, packParameters, unpackTensors } from "../../diffusion/network.ts";
import { type Normalizer, recordOf } from "../../diffusion/normalizer.ts";
import { type AdamSettings, adamStep, globalNorm } from "../../diffusion/optimizer.ts";
import { adamBiasCorrections } from "../../diffusion/recipe.ts";
import { decodeVectors, encodeVectors, vectorOf } from "../../formats/vectors.ts";
import { type ClassifierConfig, classify } from "../../metrics/features/classifier_network.ts";
import { range } from "../../metrics/vectors.ts";
import { type Device, type PureFunction, randomStream, type Signature } from "../../tensor/mod.ts";
import { openClassifier } from "../shared/open_classifier.ts";
import { withDevice } from "../shared/device.ts";
import { batchOrder } from "../shared/epochs.ts";
import { scalarFeeds } from "../shared/feeds.ts";
import { runOf } from "../shared/run_of.ts";
import { takeSteps } from "../shared/steps.ts";
import { classifierKind } from "./kind.ts";

type Context = ContextOf<typeof classifierKind>;
type Vectors = Record<"params" | "m" | "v", Float32Array<ArrayBuffer>>;

const STATE_FILE = "state.safetensors";

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

async function train(context: Context, { device, images, network }: Subject): Promise<Vectors | StageEnd> {
  const { params, progress, seed } = context;
  const { batchSize, steps, learningRate } = params;
  const stream = (purpose: string) => randomStream({ seed, stream: `classifier/${purpose}` });
  const init = stream("init");
  const saved = await progress.latest();
  const layout = layoutOf(network);
  const initial = () => initialParameters(layout, (place, _kind, count) => init.uniform(place, count));
  const zeros = () => new Float32Array(layout.count);
  const start: Vectors = saved === undefined
    ? { params: packParameters(initial(), layout), m: zeros(), v: zeros() }
    : await readState(saved, layout.count);
  if (saved?.step === steps) return start;

  const compiled = await device.compile(makeClassifierStep(network), classifierStepSignature(network, batchSize), {
    label: "classifier step",
  });
  const bound = await compiled.bind({ ...start });
  const { size, info: { count } } = images;
  const indicesOf = batchOrder(count, batchSize, stream("order"));
  const x = new Float32Array(batchSize * size);
  const results = { loss: new Float32Array(1), gradNorm: new Float32Array(1) };
  return await takeSteps(context, {
    from: saved?.step ?? 0,
    async step(step) {
      const labels = new Float32Array(batchSize * network.classes);
      const own = indicesOf(step);
      images.read(own, x);
      own.forEach((image, i) => labels[i * network.classes + images.labels![image]!] = 1);
      await bound.run({ x, labels, ...scalarFeeds({ learningRate, ...adamBiasCorrections(step) }) }, results);
      const loss = results.loss[0]!;
      if (!Number.isFinite(loss)) {
        const fix = `lower learningRate (now ${learningRate})`;
        return { status: "failed", message: `the loss is ${loss} at step ${step}`, fix };
      }
      return { loss, gradNorm: results.gradNorm[0]!, learningRate };
    },
    state: async () => await bound.read() as Vectors,
    encode: (vectors) => ({ [STATE_FILE]: encodeVectors(vectors) }),
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

async function readState(saved: SavedState, parameters: number): Promise<Vectors> {
  const { vectors } = decodeVectors(await saved.read(STATE_FILE));
  const vector = (name: keyof Vectors) =>
    vectorOf(vectors, name, { file: STATE_FILE, type: Float32Array, length: parameters });
  return { params: vector("params"), m: vector("m"), v: vector("v") };
}

/**
 * One training step: mean cross-entropy, its gradients, Adam. Inputs: `classifierStepSignature`, with `labels` [B,
 * classes] one-hot. Outputs: the next `params`, `m`, `v` [P]; `loss` [], `gradNorm` [].
 */
function makeClassifierStep(config: ClassifierConfig): PureFunction {
  const layout = layoutOf(config);
  const names = layout.parameters.map(({ name }) => name);
  return ({ params, m, v, x, labels, ...settings }) => {
    const lossOf = (...tensors: tf.Tensor[]) => {
      const named = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
      const { logits } = classify(named, x!);
      // Logits are shifted by a constant per image, so that no exponential overflows; the shift does not change the
      // gradient.
      const shifted = tf.sub(logits, tf.mean(logits, 1, true));
      const logSum = tf.log(tf.sum(tf.exp(shifted), 1));
      return tf.mean(tf.sub(logSum, tf.sum(tf.mul(labels!, shifted), 1))) as tf.Scalar;
    };
    const unpacked = unpackTensors(params!, layout);
    const { value: loss, grads } = tf.valueAndGrads(lossOf)(names.map((name) => unpacked[name]!));
    const flat = tf.concat(grads.map((grad) => tf.reshape(grad, [-1])));
    const next = adamStep({ params: params!, m: m!, v: v! }, flat, tf.scalar(1), settings as AdamSettings);
    return { ...next, loss, gradNorm: globalNorm(grads) };
  };
}

function classifierStepSignature(config: ClassifierConfig, batch: number): Signature {
  const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });
  const flat = float32(layoutOf(config).count);
  const { height, width, channels, classes } = config;
  return {
    params: flat,
    m: flat,
    v: flat,
    x: float32(batch, height, width, channels),
    labels: float32(batch, classes),
    learningRate: float32(),
    biasCorrection1: float32(),
    biasCorrection2: float32(),
  };
}
