import { join } from "node:path";
import { z } from "zod";
import { decodeNpy, decodeNpyHeader, encodeNpy, encodeNpyHeader } from "../../formats/npy.ts";
import type { FeatureVectors } from "../../metrics/vectors.ts";
import { imageSetSchema } from "../../schemas/metrics.ts";
import type { InputArtifact, OutputArtifact } from "../contract.ts";
import { jsonText } from "./json_text.ts";

/** Artifact of type `features`: `features.npy` [N, D], perhaps `logits.npy` [N, K] and `labels.npy` [N], `features.json`. */
const INFO_FILE = "features.json";
const FEATURES_FILE = "features.npy";
const LOGITS_FILE = "logits.npy";
const LABELS_FILE = "labels.npy";

const size = z.int().min(1);

export const extractorSchema = z.strictObject({
  /** Names the distances over its features. */
  name: z.string().min(1),
  /** Of the graph or the classifier; null where the name says it all. */
  sha256: z.string().nullable(),
  dimension: size,
  preprocessing: z.record(z.string(), z.unknown()),
});

const infoSchema = z.strictObject({
  extractor: extractorSchema,
  count: size,
  logits: size.nullable(),
  classes: size.nullable(),
  images: imageSetSchema,
});

export type ExtractorInfo = z.output<typeof extractorSchema>;
export type FeaturesInfo = z.output<typeof infoSchema>;

/** Writes vectors as they come, so that memory does not grow with their number. */
export interface FeaturesWriter {
  add(features: Float32Array, logits?: Float32Array): Promise<void>;
  /** @throws Error when fewer or more vectors came than the info says */
  finish(labels?: Uint8Array): Promise<void>;
  /** Close the files without a word, where the stage ends otherwise. */
  abandon(): void;
}

export async function openFeaturesWriter(output: OutputArtifact, info: FeaturesInfo): Promise<FeaturesWriter> {
  const { count, extractor: { dimension }, logits: classes } = info;
  await output.write(INFO_FILE, jsonText(infoSchema.parse(info)));
  const open = async (name: string, columns: number) => {
    const file = await Deno.open(join(output.folder, name), { write: true, create: true, truncate: true });
    await writeAll(file, encodeNpyHeader([count, columns], Float32Array));
    return file;
  };
  const features = await open(FEATURES_FILE, dimension);
  const logits = classes === null ? undefined : await open(LOGITS_FILE, classes);
  let written = 0;
  const abandon = () => {
    features.close();
    logits?.close();
  };
  return {
    async add(vectors, answers) {
      written += vectors.length / dimension;
      await writeAll(features, bytesOf(vectors));
      if (logits !== undefined) await writeAll(logits, bytesOf(answers!));
    },
    async finish(labels) {
      abandon();
      if (written !== count) throw new Error(`Cannot happen: ${written} features of ${count} were written`);
      if (labels !== undefined) await output.write(LABELS_FILE, encodeNpy({ shape: [count], data: labels }));
    },
    abandon,
  };
}

export interface StoredFeatures {
  readonly info: FeaturesInfo;
  readonly vectors: FeatureVectors;
  /** [N, K]; undefined where the extractor has none. */
  readonly logits: Float32Array | undefined;
  readonly labels: Uint8Array | undefined;
  close(): void;
}

/** @throws FormatError, ZodError or Error when the artifact's files are not those of a `FeaturesWriter`. */
export async function openFeatures(artifact: InputArtifact): Promise<StoredFeatures> {
  const info = infoSchema.parse(JSON.parse(await artifact.readText(INFO_FILE)));
  const { count, extractor: { dimension } } = info;
  const has = (name: string) => artifact.files.some(({ path }) => path === name);
  const optional = async (name: string) => has(name) ? decodeNpy(await artifact.read(name)).data : undefined;
  const logits = await optional(LOGITS_FILE);
  const labels = await optional(LABELS_FILE);
  const file = await Deno.open(artifact.path(FEATURES_FILE));
  const head = new Uint8Array(4096);
  const got = await file.read(head);
  const { shape, length } = decodeNpyHeader(head.subarray(0, got ?? 0));
  if (shape.join() !== [count, dimension].join()) {
    file.close();
    throw new Error(`${FEATURES_FILE}: got shape [${shape}], wanted [${count}, ${dimension}]`);
  }
  const stride = dimension * Float32Array.BYTES_PER_ELEMENT;
  return {
    info,
    vectors: {
      count,
      dimension,
      async rows(indices) {
        const rows = new Float32Array(indices.length * dimension);
        const bytes = new Uint8Array(rows.buffer);
        // Neighbours in the file are read together.
        for (let i = 0; i < indices.length;) {
          let run = 1;
          while (i + run < indices.length && indices[i + run] === indices[i]! + run) run++;
          await file.seek(length + indices[i]! * stride, Deno.SeekMode.Start);
          await readAll(file, bytes.subarray(i * stride, (i + run) * stride));
          i += run;
        }
        return rows;
      },
    },
    logits: logits instanceof Float32Array ? logits : undefined,
    labels: labels instanceof Uint8Array ? labels : undefined,
    close: () => file.close(),
  };
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
}

async function readAll(file: Deno.FsFile, into: Uint8Array): Promise<void> {
  for (let done = 0; done < into.length;) {
    const got = await file.read(into.subarray(done));
    if (got === null) throw new Error(`${FEATURES_FILE}: the file is cut short`);
    done += got;
  }
}
