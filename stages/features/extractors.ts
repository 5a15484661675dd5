import type { StoredClassifier } from "../../artifacts/classifier.ts";
import type { ImageSize } from "../../artifacts/facts.ts";
import type { ExtractorInfo } from "../../artifacts/features.ts";
import { readTorchStateDict } from "../../formats/torch/state_dict.ts";
import { type ClassifierConfig, classifierDimension } from "../../metrics/features/classifier_network.ts";
import { openInception, type Resize } from "../../metrics/features/inception_network.ts";
import { PIXEL_FEATURES, pixelFeatureDimension, pixelFeatures } from "../../metrics/features/pixels.ts";
import { resizeImages } from "../../metrics/features/resize.ts";
import type { Device } from "../../tensor/mod.ts";
import { batchFeatures, openClassifier } from "../shared/classifier_features.ts";
import { inceptionName } from "../shared/inception.ts";
import type { FeaturesParams, Preprocessing } from "./params.ts";

export interface Extractor {
  readonly info: ExtractorInfo;
  /** Length of the logits, where it has any. */
  readonly logits: number | null;
  /** Of a batch of bytes, [B, H, W, C]; valid until the next batch. */
  extract(bytes: Uint8Array): Promise<{ readonly features: Float32Array; readonly logits?: Float32Array | undefined }>;
  release?(): Promise<void>;
}

export function pixelExtractor(size: ImageSize): Extractor {
  const dimension = pixelFeatureDimension(size);
  return {
    info: {
      name: PIXEL_FEATURES,
      sha256: null,
      dimension,
      preprocessing: { pooled: "to at most 8x8", range: [-1, 1] },
    },
    logits: null,
    // deno-lint-ignore require-await -- others compute on a device
    async extract(bytes) {
      const { height, width, channels } = size;
      const count = bytes.length / (height * width * channels);
      return { features: pixelFeatures({ count, height, width, channels, data: bytes }) };
    },
  };
}

export async function classifierExtractor(
  { config, params }: StoredClassifier,
  { digest, device, batchSize }: { readonly digest: string; readonly device: Device; readonly batchSize: number },
): Promise<Extractor> {
  const network = config.network as ClassifierConfig;
  const extract = await openClassifier({ network, params }, { device, batchSize });
  return {
    info: {
      name: "classifier",
      sha256: digest,
      dimension: classifierDimension(network),
      preprocessing: { range: [-1, 1], accuracy: config.accuracy, trainedOn: config.images },
    },
    logits: network.classes,
    extract,
  };
}

/** @throws FormatError or RangeError for a file that does not hold the network's weights */
export async function inceptionExtractor(
  weights: Uint8Array,
  { sha256, resize = "tensorflow", size, device, batchSize }: {
    readonly sha256: string;
    readonly resize: Resize | undefined;
    readonly size: ImageSize;
    readonly device: Device;
    readonly batchSize: number;
  },
): Promise<Extractor> {
  const { height, width, channels } = size;
  const state = readTorchStateDict(weights);
  const shape = [batchSize, height, width, channels] as const;
  const { compiled, bound, classes, dimension } = await openInception(device, state, { shape, resize });
  return {
    info: { name: inceptionName(sha256), sha256, dimension, preprocessing: { resize } },
    logits: classes,
    extract: batchFeatures((images, results) => bound.run({ images }, results), {
      batchSize,
      pixels: height * width * channels,
      dimension,
      classes,
      fill: (bytes, out) => out.set(bytes),
    }),
    release: () => compiled.dispose(),
  };
}

/** @throws Error when the graph cannot be loaded or lacks an output */
export async function onnxExtractor(
  model: Uint8Array,
  { params, size, name, sha256, threads }: {
    readonly params: FeaturesParams;
    readonly size: ImageSize;
    readonly name: string;
    readonly sha256: string;
    readonly threads: number;
  },
): Promise<Extractor> {
  const { openOnnxGraph } = await import("../../tensor/onnx/graph.ts");
  const graph = await openOnnxGraph(model, { threads });
  const output = params.output ?? graph.outputs[0]!;
  const wanted = [output, ...(params.logits === undefined ? [] : [params.logits])];
  for (const each of wanted) {
    if (!graph.outputs.includes(each)) {
      throw new Error(`the graph has no output "${each}"; it has ${graph.outputs.join(", ")}`);
    }
  }
  const options = params.preprocess!;
  const run = async (bytes: Uint8Array) => {
    const { data, shape } = preprocess(bytes, size, options);
    const results = await graph.run(data, shape, wanted);
    const flat = (each: string) => {
      const { data, shape: [count, ...rest] } = results[each]!;
      // Maps of 1x1 pixels are vectors; larger ones would be another feature.
      if (count !== shape[0] || rest.slice(1).some((side) => side !== 1)) {
        throw new Error(`output "${each}": got shape [${results[each]!.shape}], wanted [${shape[0]}, D]`);
      }
      return { data, width: rest[0]! };
    };
    return { features: flat(output), logits: params.logits === undefined ? undefined : flat(params.logits) };
  };
  // One blank image says how long the vectors are.
  const tried = await run(new Uint8Array(size.height * size.width * size.channels));
  return {
    info: {
      name,
      sha256,
      dimension: tried.features.width,
      preprocessing: { ...options, output },
    },
    logits: tried.logits?.width ?? null,
    async extract(bytes) {
      const { features, logits } = await run(bytes);
      return { features: features.data, logits: logits?.data };
    },
    release: () => graph.release(),
  };
}

export interface Prepared {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** Extractors of colour images take grey ones as three equal channels. */
const COLOURS = 3;

/** Bytes of images as an extractor takes them. @param bytes [B, H, W, C] */
export function preprocess(
  bytes: Uint8Array,
  { height, width, channels }: ImageSize,
  options: Preprocessing,
): Prepared {
  const { size, range: [low, high], mean, deviation, layout } = options;
  const count = bytes.length / (height * width * channels);
  const resized = resizeImages({ count, height, width, channels, data: bytes }, size, options);
  const wide = Math.max(channels, COLOURS);
  const pixels = size * size;
  const data = new Float32Array(count * pixels * wide);
  for (let image = 0; image < count; image++) {
    for (let pixel = 0; pixel < pixels; pixel++) {
      for (let c = 0; c < wide; c++) {
        const byte = resized[(image * pixels + pixel) * channels + (channels === 1 ? 0 : c)]!;
        // A bicubic kernel reaches beyond the bytes at edges of the picture.
        const value = low + (high - low) * Math.min(255, Math.max(0, byte)) / 255;
        const at = layout === "nchw" ? (image * wide + c) * pixels + pixel : (image * pixels + pixel) * wide + c;
        data[at] = (value - (mean?.[c] ?? 0)) / (deviation?.[c] ?? 1);
      }
    }
  }
  return { data, shape: layout === "nchw" ? [count, wide, size, size] : [count, size, size, wide] };
}
