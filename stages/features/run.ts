import { basename } from "node:path";
import { readClassifier, type StoredClassifier } from "../../artifacts/classifier.ts";
import { openFeaturesWriter } from "../../artifacts/features.ts";
import { readImages, type StoredImages } from "../../artifacts/images.ts";
import { describeImageSet } from "../../artifacts/metrics.ts";
import type { ContextOf, StageEnd } from "../../contract/stage.ts";
import { FormatError } from "../../formats/format_error.ts";
import { withDevice } from "../shared/device.ts";
import { INCEPTION } from "../shared/inception.ts";
import { yieldToMessages } from "../shared/macrotask.ts";
import { readNamedFile } from "../shared/named_file.ts";
import { explainMemory } from "../shared/out_of_memory.ts";
import { runOf } from "../shared/run_of.ts";
import {
  classifierExtractor,
  type Extractor,
  inceptionExtractor,
  onnxExtractor,
  pixelExtractor,
} from "./extractors.ts";
import { extractorDownloads, featuresKind, MAX_FILE_BYTES } from "./kind.ts";

type Context = ContextOf<typeof featuresKind>;

/** Whether a device has memory and width for large batches; on processors more images at once are no faster. */
const CARDS = ["tensorflow-gpu", "webgpu"];
const PROCESSOR_BATCH = 8;

export default runOf(featuresKind, async (context) => {
  const { params, inputs } = context;
  const images = await readImages(inputs.images);
  const wired = params.extractor === "classifier" ? inputs.classifier : undefined;
  const classifier = wired && await readClassifier(wired);
  // No more at once than there are.
  const mayBeLarge = params.extractor !== INCEPTION || CARDS.includes(context.device!.name);
  const batchSize = Math.min(params.batchSize, images.info.count, mayBeLarge ? Infinity : PROCESSOR_BATCH);
  const extract = explainMemory((used: Context) => extractWith(used, images, classifier));
  return await extract({ ...context, params: { ...params, batchSize } });
});

/** @param context with the size of batches that is used */
async function extractWith(
  context: Context,
  images: StoredImages,
  classifier?: StoredClassifier,
): Promise<StageEnd | undefined> {
  const { params, inputs } = context;
  if (params.extractor === "pixels") return await extractAll(context, images, pixelExtractor(images.info));
  if (params.extractor === "onnx") {
    const file = await readFile(context);
    if ("status" in file) return file;
    const threads = params.threads ?? navigator.hardwareConcurrency;
    const name = basename(params.path ?? params.url!).replace(/\.onnx$/, "");
    const opened = await onnxExtractor(file.bytes, { ...file, name, params, size: images.info, threads })
      .catch((error) => refused("graph", error, "correct output, logits or preprocess; docs/metrics.md has examples"));
    return "status" in opened ? opened : await extractAll(context, images, opened);
  }
  if (params.extractor === INCEPTION) return await overInception(context, images);
  if (classifier === undefined) {
    const message = "extractor classifier needs the input of that name";
    return { status: "failed", message, fix: "add classifier: <a classifier stage> under inputs" };
  }
  const options = { digest: inputs.classifier!.digest, batchSize: params.batchSize };
  return await withDevice(context, async (device) => {
    return await extractAll(context, images, await classifierExtractor(classifier, { ...options, device }));
  });
}

async function overInception(context: Context, images: StoredImages): Promise<StageEnd | undefined> {
  const { params } = context;
  const file = await readFile(context);
  if ("status" in file) return file;
  return await withDevice(context, async (device) => {
    const { resize, batchSize } = params;
    const options = { sha256: file.sha256, resize, size: images.info, device, batchSize };
    const opened = await inceptionExtractor(file.bytes, options).catch((error) => {
      if (!(error instanceof FormatError || error instanceof RangeError)) throw error;
      return refused("weights", error, "use the published file, or one with the same tensors");
    });
    if ("status" in opened) return opened;
    return await extractAll(context, images, opened);
  });
}

function refused(what: string, error: unknown, fix: string): StageEnd {
  const said = error instanceof Error ? error.message : error;
  return { status: "failed", message: `cannot use the ${what}: ${said}`, fix };
}

/** The bytes of the graph or the weights, and their hash. */
async function readFile(context: Context) {
  const [file] = extractorDownloads(context.params);
  return await readNamedFile(context, file, file?.maxBytes ?? MAX_FILE_BYTES);
}

/** Features of all images, batch by batch, to the output's files. */
async function extractAll(context: Context, images: StoredImages, extractor: Extractor): Promise<StageEnd | undefined> {
  const { params: { limit, batchSize }, inputs, outputs, stop, report } = context;
  const count = Math.min(images.info.count, limit ?? images.info.count);
  const { height, width, channels, classes } = images.info;
  const size = height * width * channels;
  using writer = await openFeaturesWriter(outputs.features, {
    extractor: extractor.info,
    count,
    logits: extractor.logits,
    classes,
    images: describeImageSet(inputs.images, images, count),
  });
  try {
    for (let first = 0; first < count; first += batchSize) {
      if (stop.aborted) return { status: "interrupted", step: 0 };
      const last = Math.min(first + batchSize, count);
      const { features, logits } = await extractor.extract(images.pixels.subarray(first * size, last * size));
      await writer.add(features, logits);
      report({ done: last, total: count, unit: "image" });
      await yieldToMessages();
    }
    await writer.finish(images.labels?.slice(0, count));
  } finally {
    await extractor.release?.();
  }
  return undefined;
}
