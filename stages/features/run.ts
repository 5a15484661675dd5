import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { Device } from "../../tensor/mod.ts";
import type { RunOf, StageEnd } from "../contract.ts";
import { readClassifier } from "../shared/classifier.ts";
import { download } from "../shared/download/download.ts";
import { failedBy } from "../shared/failed.ts";
import { openFeaturesWriter } from "../shared/features_file.ts";
import { readImages, type StoredImages } from "../shared/images.ts";
import { yieldToMessages } from "../shared/macrotask.ts";
import { describeImageSet } from "../shared/metrics.ts";
import { withDevice } from "../shared/stage_device.ts";
import { checkFeatures } from "./check.ts";
import { graphDownloads } from "./downloads.ts";
import { classifierExtractor, type Extractor, onnxExtractor, pixelExtractor, randomExtractor } from "./extractors.ts";
import type { featuresKind } from "./kind.ts";

type Run = RunOf<typeof featuresKind>;
type Context = Parameters<Run>[0];

const run: Run = async (context) => {
  const { params, inputs } = context;
  const images = await readImages(inputs.images);
  const [problem] = checkFeatures(params, { images: images.info, classifier: undefined });
  if (problem !== undefined) return failedBy(problem);
  if (params.extractor === "pixels") return await extractAll(context, images, pixelExtractor(images.info));
  if (params.extractor === "onnx") {
    const graph = await readGraph(context);
    if ("end" in graph) return graph.end;
    const threads = params.threads ?? navigator.hardwareConcurrency;
    const opened = await onnxExtractor(graph.model, { ...graph, params, size: images.info, threads })
      .catch((error): StageEnd => ({
        status: "failed",
        message: `cannot use the graph: ${error instanceof Error ? error.message : error}`,
        fix: "correct output, logits or preprocess; docs/metrics.md has examples",
      }));
    return "status" in opened ? opened : await extractAll(context, images, opened);
  }
  return await withDevice(context, async (device) => {
    const extractor = await embedded(context, images, device);
    return "end" in extractor ? extractor.end : await extractAll(context, images, extractor);
  });
};

export default run;

async function embedded(
  { params, inputs }: Context,
  images: StoredImages,
  device: Device,
): Promise<Extractor | { readonly end: StageEnd }> {
  const batchSize = Math.min(params.batchSize, images.info.count);
  if (params.extractor === "random-conv") return await randomExtractor(images.info, device, batchSize);
  if (inputs.classifier === undefined) {
    const message = "extractor classifier needs the input of that name";
    return { end: { status: "failed", message, fix: "add classifier: <a classifier stage> under inputs" } };
  }
  const classifier = await readClassifier(inputs.classifier);
  const { height, width, channels } = classifier.config.network;
  const { info } = images;
  if (info.height !== height || info.width !== width || info.channels !== channels) {
    const message = `images of ${info.height}x${info.width}x${info.channels}, and a classifier for ` +
      `${height}x${width}x${channels}`;
    return { end: { status: "failed", message, fix: "use images of its size" } };
  }
  return await classifierExtractor(classifier, { digest: inputs.classifier.digest, device, batchSize });
}

/** The graph's bytes, name and hash. */
async function readGraph(
  { params, downloads, stop, report, warn }: Context,
): Promise<{ model: Uint8Array; name: string; sha256: string } | { readonly end: StageEnd }> {
  const [file] = graphDownloads(params);
  let path = params.path;
  if (file !== undefined) {
    if (downloads === undefined) throw new Error("Cannot happen: a stage that fetches files has a folder for them");
    const got = await download(file, downloads, { stop, report, warn });
    if ("end" in got) return got;
    path = got.path;
  }
  const model = await Deno.readFile(path!);
  const name = basename(params.path ?? params.url!).replace(/\.onnx$/, "");
  return { model, name, sha256: createHash("sha256").update(model).digest("hex") };
}

/** Features of all images, batch by batch, to the output's files. */
async function extractAll(
  { params, inputs, outputs, stop, report }: Context,
  images: StoredImages,
  extractor: Extractor,
): Promise<StageEnd | undefined> {
  const count = Math.min(images.info.count, params.limit ?? images.info.count);
  const { height, width, channels, classes } = images.info;
  const size = height * width * channels;
  const batchSize = Math.min(params.batchSize, images.info.count);
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
    await extractor.release();
  }
  return undefined;
}
