import * as tf from "@tensorflow/tfjs-core";
import { type AutoencoderRecord, writeAutoencoder } from "../../artifacts/autoencoder.ts";
import { layoutOf, readClassifier } from "../../artifacts/classifier.ts";
import { type ImageReader, openImages } from "../../artifacts/image_files.ts";
import { writeLog } from "../../artifacts/log.ts";
import { gridPng, imagesIn } from "../../artifacts/pictures.ts";
import type { ContextOf, StageEnd } from "../../engine/contract/stage.ts";
import { autoencoderLoss } from "./loss.ts";
import type { AutoencoderLossOptions } from "../../science/diffusion/autoencoder/loss.ts";
import { type Autoencoder, makeAutoencoder } from "../../science/diffusion/autoencoder/autoencoder.ts";
import { BUILTIN_AUTOENCODER } from "../../science/diffusion/autoencoders.ts";
import { unpackTensors } from "../../science/diffusion/network.ts";
import { BYTES, formOf, mapBetween, type Normalizer, recordOf } from "../../science/diffusion/normalizer.ts";
import { FormatError } from "../../science/formats/format_error.ts";
import { readTorchStateDict } from "../../science/formats/torch/state_dict.ts";
import { activations, type ClassifierConfig } from "../../science/metrics/features/classifier_network.ts";
import { readLpips } from "../../science/metrics/features/lpips_network.ts";
import { range } from "../../science/metrics/vectors.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { type Device, type HostTensors, randomStream } from "../../science/tensor/mod.ts";
import { checkAutoencoderCode } from "../shared/autoencoder_checks.ts";
import { failedCode } from "../shared/checks.ts";
import { bindCoder, openView } from "../shared/coder.ts";
import { tryBuild } from "../shared/definition_checks.ts";
import { withDevice } from "../shared/device.ts";
import { batchImages } from "../shared/epochs.ts";
import { definitionByFile } from "../shared/own_definitions.ts";
import { startPreviews } from "../shared/previews.ts";
import { runOf } from "../shared/run_of.ts";
import { initialState, recordOfAverages, weightsByName } from "../shared/training.ts";
import { trainFromNewest } from "../shared/training_loop.ts";
import { autoencoderKind } from "./kind.ts";

type Context = ContextOf<typeof autoencoderKind>;
type Coder = Parameters<typeof openView>[0];

export default runOf(autoencoderKind, async (context) => {
  const { params, seed, inputs, outputs } = context;
  using images = await openImages(inputs.images);
  const built = await build(context, images);
  if ("status" in built) return built;
  const { autoencoder, record, file } = built;
  await tf.ready();
  const perceptual = await openPerceptual(context, images);
  if ("status" in perceptual) return perceptual;
  const options = { ...params.loss, ...perceptual };
  if (file !== undefined) {
    const problems = await checkAutoencoderCode(autoencoder, options);
    if (problems.length > 0) return failedCode(file, problems);
  }
  const begin = () => initialState(autoencoder, seed, params.ema);
  // A fixed map has nothing to learn.
  const trained = autoencoder.count === 0 ? { ...begin(), step: params.steps } : await trainFromNewest(context, {
    loss: autoencoderLoss(autoencoder, options),
    updates: params,
    begin,
    open: (device, _start, weights) => ({
      batch: makeBatches(context, images, autoencoder),
      preview: startPreviews(context, device, async (device) => {
        const learned = await weights();
        const coder = { build: () => ({ autoencoder, params: learned.slice() }), form: images };
        return await drawPairs(device, images, coder, params.preview!.count);
      }),
    }),
    files: file === undefined ? [] : [file],
  });
  if ("status" in trained) return trained;
  return await withDevice(context, async (device) => {
    const { batchSize, microBatches } = params;
    const coder: Coder = { build: () => ({ autoencoder, params: trained.vectors.ema.slice() }), form: images };
    if (autoencoder.quantize !== undefined) await tellCodes(context, device, images, coder);
    const pairs = await drawPairs(device, images, coder, Math.min(PICTURED, batchSize / microBatches));
    await outputs.autoencoder.write("reconstructions.png", pairs);
    const { vectors, step, log } = trained;
    const { height, width, channels, source } = images.info;
    await writeAutoencoder(outputs.autoencoder, {
      config: {
        model: record,
        images: { height, width, channels, ...recordOf(images), source },
        step,
        parameters: vectors.params.length,
        ema: recordOfAverages(params.ema),
        seed,
        loss: params.loss,
      },
      layout: autoencoder,
      weights: weightsByName(vectors, params.ema),
    });
    await writeLog(outputs.log, log);
  });
});

/** Most images that the picture of the result shows, and as many as a part of a batch has. */
const PICTURED = 16;

/** Images whose codes are counted, at most. */
const MOST_COUNTED = 1024;

/** Share of the codes below which a codebook is of no use. */
const COLLAPSED = 0.1;

/** Builds the autoencoder that the params name, built-in or the user's, or returns what is wrong with it. */
async function build({ params: { model }, definitions }: Context, { info }: ImageReader) {
  const own = isOwn(model) ? definitionByFile("autoencoder", model, definitions) : undefined;
  const definition = own?.definition ?? await BUILTIN_AUTOENCODER.load();
  const builtin = model as Parameters<typeof BUILTIN_AUTOENCODER.recordOf>[1];
  const built = tryBuild(
    () => definition.build(info, own?.params ?? builtin),
    (code) => makeAutoencoder(info, code),
  );
  if ("problem" in built) return failedCode(own?.uses ?? "model", [built.problem]);
  const record: AutoencoderRecord = own?.record ?? BUILTIN_AUTOENCODER.recordOf(info, builtin);
  return { autoencoder: built.value, record, file: own?.uses };
}

/** Makes the images and the noise of each step, pure functions of (seed, step). */
function makeBatches({ params: { batchSize, flip }, seed }: Context, images: ImageReader, { latent }: Autoencoder) {
  const stream = (purpose: string) => randomStream({ seed, stream: `autoencoder/${purpose}` });
  const noises = stream("noise");
  const { x0, prepare, read } = batchImages(images, { batchSize, flip }, stream);
  const noise = new Float32Array(batchSize * latent.height * latent.width * latent.channels);
  const at = (step: number): HostTensors => {
    read(step);
    noises.normal(step, noise);
    return { x0, noise };
  };
  return { at, prepare };
}

/**
 * Opens the network of the loss's perceptual term, if it has one, or returns how the stage ends without it. The network
 * sees stored values by the normaliser that it was trained with, whatever that of the images is.
 */
async function openPerceptual(
  { inputs, params: { lpips } }: Context,
  { normalizer }: ImageReader,
): Promise<Pick<AutoencoderLossOptions, "features" | "heads"> | StageEnd> {
  const seenBy = (own: Normalizer, features: NonNullable<AutoencoderLossOptions["features"]>): typeof features => {
    const map = mapBetween(normalizer, own);
    if (map === undefined) return features;
    return (x) => features(tf.sub(tf.div(x, tf.tensor1d([...map.scale])), tf.tensor1d([...map.shift])));
  };
  if (inputs.features !== undefined) {
    const { config, params } = await readClassifier(inputs.features);
    const layout = layoutOf(config.network as ClassifierConfig);
    const features = (images: tf.Tensor) => activations(unpackTensors(tf.tensor1d(params), layout), images);
    return { features: seenBy(formOf(config).normalizer, features) };
  }
  if (lpips === undefined) return {};
  try {
    const { heads, features } = readLpips(await readTorchStateDict(await Deno.readFile(lpips)));
    return { heads, features: seenBy(BYTES.normalizer, features) };
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof RangeError)) throw error;
    const fix = 'save it again: torch.save(lpips.LPIPS(net="vgg").state_dict(), path)';
    return { status: "failed", message: `${lpips}: ${error.message}`, fix };
  }
}

/** Tells how many codes of a codebook the first images use, if it counts them. */
async function tellCodes(
  { params: { batchSize }, note, warn }: Context,
  device: Device,
  images: ImageReader,
  coder: Coder,
) {
  const { run } = await bindCoder("codes", coder, images.info, { device, batchSize });
  const batches = Math.max(1, Math.floor(Math.min(MOST_COUNTED, images.info.count) / batchSize));
  const x = new Float32Array(batchSize * images.size);
  const used: number[] = [];
  for (let batch = 0; batch < batches; batch++) {
    images.read(range(batch * batchSize, batchSize), x);
    (await run(x))["counts"]!.forEach((count, code) => used[code] = Math.max(used[code] ?? 0, Math.sign(count)));
  }
  const count = used.reduce((sum, one) => sum + one);
  if (count === 0) return;
  const text = `the first ${batches * batchSize} images use ${count} of the ${used.length} codes of the codebook`;
  if (count >= COLLAPSED * used.length) note(text);
  else warn(`${text}: it has collapsed; use fewer codes, or a lower learning rate`);
}

/** Draws the first images, each beside its reconstruction. @returns a PNG */
async function drawPairs(device: Device, images: ImageReader, coder: Coder, count: number): Promise<Uint8Array> {
  const [options, { info: size }] = [{ device, batchSize: count }, images];
  const x = new Float32Array(count * images.size);
  images.read(range(0, count), x);
  const encoder = await bindCoder("encoder", coder, size, options);
  const view = await openView(coder, size, options);
  const reconstructed = imagesIn(await view.show([(await encoder.run(x))["mean"]!]), size);
  const pairs = imagesIn(images.rows(range(0, count)), size).flatMap((original, i) => [original, reconstructed[i]!]);
  return gridPng(pairs, { ...size, columns: 8 }, images);
}
