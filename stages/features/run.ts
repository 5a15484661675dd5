import { basename } from "node:path";
import { readClassifier } from "../../artifacts/classifier.ts";
import type { ImageSize } from "../../artifacts/facts.ts";
import { type ExtractorInfo, openFeaturesWriter, pixelPreprocessing } from "../../artifacts/features.ts";
import { type ImageReader, openImages } from "../../artifacts/image_files.ts";
import { describeImageSet } from "../../artifacts/metrics.ts";
import type { ContextOf, StageEnd } from "../../engine/contract/stage.ts";
import { formOf, type ValueForm, type Values } from "../../science/diffusion/normalizer.ts";
import { FormatError } from "../../science/formats/format_error.ts";
import { readTorchStateDict } from "../../science/formats/torch/state_dict.ts";
import { type ClassifierConfig, classifierDimension } from "../../science/metrics/features/classifier_network.ts";
import { openInception } from "../../science/metrics/features/inception_network.ts";
import { PIXEL_FEATURES, pixelFeatureDimension, pixelFeatures } from "../../science/metrics/features/pixels.ts";
import { resizeImages } from "../../science/pictures/resize.ts";
import { range } from "../../science/metrics/vectors.ts";
import { definedOnly } from "../../std/defined_only.ts";
import type { Device } from "../../science/tensor/mod.ts";
import { openClassifier } from "../shared/open_classifier.ts";
import { withDevice } from "../shared/device.ts";
import { INCEPTION, inceptionName } from "../shared/inception.ts";
import { readNamedFile } from "../shared/named_file.ts";
import { explainMemory } from "../shared/out_of_memory.ts";
import { inParts } from "../shared/parts.ts";
import { runOf } from "../shared/run_of.ts";
import {
  channelsFor,
  extractorDownloads,
  featuresKind,
  type FeaturesParams,
  MAX_FILE_BYTES,
  type Preprocessing,
} from "./kind.ts";

type Context = ContextOf<typeof featuresKind>;

/** Devices with memory and width for large batches; on processors, more images at once are no faster. */
const CARDS = ["tensorflow-gpu", "webgpu"];
const PROCESSOR_BATCH = 8;

export default runOf(featuresKind, async (context) => {
  const { params, inputs } = context;
  using images = await openImages(inputs.images);
  // The batch is never larger than the number of images.
  const mayBeLarge = params.extractor !== INCEPTION || CARDS.includes(context.device?.name ?? "");
  const batchSize = Math.min(params.batchSize, images.info.count, mayBeLarge ? Infinity : PROCESSOR_BATCH);
  const { onDevice, open } = EXTRACTORS[params.extractor];
  const extractWith = explainMemory(async (used: Context) => {
    const extract = (device?: Device) =>
      extractAll(used, images, () => open(used, { ...images.info, ...images }, device));
    // A process that only joins parts computes nothing.
    return onDevice && used.parts.length === 0 ? await withDevice(used, extract) : await extract();
  });
  return await extractWith({ ...context, params: { ...params, batchSize } });
});

/** The length of the vectors that a graph may give; of those of a batch, all are in memory. */
const MOST_FEATURES = 65_536;

/** Reads the bytes of the graph or the weights, and their hash. */
async function readFile(context: Context) {
  const [file] = extractorDownloads(context.params);
  return await readNamedFile(context, file, file?.maxBytes ?? MAX_FILE_BYTES);
}

function refused(what: string, error: unknown, fix: string): StageEnd {
  const said = error instanceof Error ? error.message : error;
  return { status: "failed", message: `cannot use the ${what}: ${said}`, fix };
}

/** The facts that decide the form of the features. */
type About = Pick<Extractor, "info" | "logits">;

/** Writes the features of all images, batch by batch, to the output's files. */
async function extractAll(context: Context, images: ImageReader, open: () => Promise<Extractor | StageEnd>) {
  const { params: { limit, batchSize }, inputs, outputs, report } = context;
  const count = Math.min(images.info.count, limit ?? images.info.count);
  const { classes } = images.info;
  return await inParts(context, { count, batchSize }, async () => {
    const extractor = await open();
    if ("status" in extractor) return extractor;
    const { info, logits, extract, release } = extractor;
    return {
      about: { info, logits } satisfies About,
      async compute({ first, count, done, total }) {
        const found = await extract(images.rows(range(first, count)));
        report({ done: done + count, total, unit: "image" });
        return definedOnly(found);
      },
      close: async () => await release?.(),
    };
  }, async (batches, about) => {
    const { info: extractor, logits } = about as About;
    const described = describeImageSet(inputs.images, images, count);
    using writer = await openFeaturesWriter(outputs.features, { extractor, count, logits, classes, images: described });
    for await (const { rows } of batches) await writer.add(rows["features"]!, rows["logits"]);
    await writer.finish(images.labels?.slice(0, count));
  });
}

interface Extractor {
  readonly info: ExtractorInfo;
  /** Length of the logits, or null if the extractor has none. */
  readonly logits: number | null;
  /** Extracts the features of a batch of stored values, [B, H, W, C]; the results are valid until the next batch. */
  extract(values: Values): Promise<{ readonly features: Float32Array; readonly logits?: Float32Array | undefined }>;
  release?(): Promise<void>;
}

type Opened = ImageSize & ValueForm;

/** Opens an extractor for images of one size, or returns how the stage ends without it. */
type OpenExtractor = (context: Context, images: Opened, device?: Device) => Promise<Extractor | StageEnd>;

const openPixels: OpenExtractor = (_context, size) => {
  const { height, width, channels, normalizer } = size;
  const dimension = pixelFeatureDimension(size);
  const { map } = pixelPreprocessing(size);
  const preprocessing = { pooled: "to at most 8x8", ...(map === undefined ? { range: [-1, 1] } : { map }) };
  return Promise.resolve({
    info: { name: PIXEL_FEATURES, sha256: null, dimension, preprocessing },
    logits: null,
    extract(data) {
      const count = data.length / (height * width * channels);
      return Promise.resolve({ features: pixelFeatures({ count, height, width, channels, data }, normalizer) });
    },
  });
};

const openTrained: OpenExtractor = async ({ params: { batchSize }, inputs: { classifier } }, _size, device) => {
  if (classifier === undefined) {
    const message = "extractor classifier needs the input of that name";
    return { status: "failed", message, fix: "add classifier: <a classifier stage> under inputs" };
  }
  const { config, params } = await readClassifier(classifier);
  const network = config.network as ClassifierConfig;
  const preprocessing = { range: [-1, 1], accuracy: config.accuracy, trainedOn: config.images };
  return {
    info: { name: "classifier", sha256: classifier.digest, dimension: classifierDimension(network), preprocessing },
    logits: network.classes,
    extract: await openClassifier({ network, params, normalizer: formOf(config).normalizer }, {
      device: device!,
      batchSize,
    }),
  };
};

const openPublished: OpenExtractor = async (context, { height, width, channels }, device) => {
  const { resize = "tensorflow", batchSize } = context.params;
  const file = await readFile(context);
  if ("status" in file) return file;
  try {
    const shape = [batchSize, height, width, channels] as const;
    const network = await openInception(device!, await readTorchStateDict(file.bytes), { shape, resize });
    const { classes, dimension, extract, release } = network;
    const info = { name: inceptionName(file.sha256), sha256: file.sha256, dimension, preprocessing: { resize } };
    return { info, logits: classes, extract, release };
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof RangeError)) throw error;
    return refused("weights", error, "use the published file, or one with the same tensors");
  }
};

const openGraph: OpenExtractor = async (context, size) => {
  const { threads = navigator.hardwareConcurrency, path, url, logits, preprocess: options, ...params } = context.params;
  const file = await readFile(context);
  if ("status" in file) return file;
  try {
    const { openOnnxGraph } = await import("../../science/tensor/onnx/session.ts");
    const graph = await openOnnxGraph(file.bytes, { threads });
    const name = basename(path ?? url!).replace(/\.onnx$/, "");
    const output = params.output ?? graph.outputs[0]!;
    const wanted = logits === undefined ? [output] : [output, logits];
    const missing = wanted.find((each) => !graph.outputs.includes(each));
    if (missing !== undefined) {
      throw new Error(`the graph has no output "${missing}"; it has ${graph.outputs.join(", ")}`);
    }
    const run = async (bytes: Values) => {
      const { data, shape } = preprocess(bytes, size, options!);
      const results = await graph.run(data, shape, wanted);
      return { features: results[output]!, logits: logits === undefined ? undefined : results[logits]! };
    };
    // One blank image is run to find the length of the vectors.
    const tried = await run(new Uint8Array(size.height * size.width * size.channels));
    const width = Math.max(tried.features.width, tried.logits?.width ?? 0);
    if (width > MOST_FEATURES) throw new Error(`vectors of ${width} numbers: at most ${MOST_FEATURES} are read`);
    return {
      info: { name, sha256: file.sha256, dimension: tried.features.width, preprocessing: { ...options, output } },
      logits: tried.logits?.width ?? null,
      async extract(bytes) {
        const { features, logits } = await run(bytes);
        return { features: features.data, logits: logits?.data };
      },
      release: () => graph.release(),
    };
  } catch (error) {
    return refused("graph", error, "correct output, logits or preprocess; docs/metrics.md has examples");
  }
};

const EXTRACTORS: Readonly<Record<FeaturesParams["extractor"], { open: OpenExtractor; onDevice: boolean }>> = {
  pixels: { open: openPixels, onDevice: false },
  classifier: { open: openTrained, onDevice: true },
  [INCEPTION]: { open: openPublished, onDevice: true },
  // ONNX Runtime is its own device.
  onnx: { open: openGraph, onDevice: false },
};

/** Converts bytes of images to an extractor's input. @param bytes [B, H, W, C] */
function preprocess(bytes: Values, { height, width, channels }: ImageSize, options: Preprocessing) {
  const { size, range: [low, high], mean = [0], deviation = [1], layout } = options;
  const count = bytes.length / (height * width * channels);
  const resized = resizeImages({ count, height, width, channels, data: bytes }, size, options);
  const wide = channelsFor(channels);
  const pixels = size * size;
  const data = new Float32Array(count * pixels * wide);
  for (let image = 0; image < count; image++) {
    for (let pixel = 0; pixel < pixels; pixel++) {
      for (let c = 0; c < wide; c++) {
        const byte = resized[(image * pixels + pixel) * channels + (channels === 1 ? 0 : c)]!;
        // A bicubic kernel can give values outside 0 to 255 at edges in the picture.
        const value = low + (high - low) * Math.min(255, Math.max(0, byte)) / 255;
        const at = layout === "nchw" ? (image * wide + c) * pixels + pixel : (image * pixels + pixel) * wide + c;
        data[at] = (value - mean[c % mean.length]!) / deviation[c % deviation.length]!;
      }
    }
  }
  return { data, shape: layout === "nchw" ? [count, wide, size, size] : [count, size, size, wide] };
}
