import { join } from "node:path";
import { z } from "zod";
import type { Facts, InputArtifact, OutputArtifact } from "../engine/contract/stage.ts";
import { formOf, formRecord, recordOf, type ValueForm } from "../science/diffusion/normalizer.ts";
import { refuse } from "../science/formats/format_error.ts";
import { decodeNpy, decodeNpyHeader, encodeNpy, encodeNpyHeader, type NpyHeader } from "../science/formats/npy.ts";
import { PIXEL_FEATURES } from "../science/metrics/features/pixels.ts";
import { type FeatureVectors, firstNotFinite, range, vectorsOf } from "../science/metrics/vectors.ts";
import { definedOnly } from "../std/defined_only.ts";
import { checkLabels, type LabelNumbers, labelTypeOf } from "./image_files.ts";
import { type ImageSet, imageSetSchema } from "./metrics.ts";
import { unitsText } from "./facts.ts";
import { fileOf, parseRecord, readBytes, readJson, writeJson } from "./record.ts";
import { bytesOf, readRows, writeAll } from "./rows.ts";

/**
 * Artifact of type `features`: `features.json`, `features.npy` [N, D], and optionally `logits.npy` [N, K] and
 * `labels.npy` [N].
 */
const INFO_FILE = "features.json";
const FEATURES_FILE = "features.npy";
const LOGITS_FILE = "logits.npy";
const LABELS_FILE = "labels.npy";

/** Vectors are read and checked in chunks of this size. A file of one chunk stays in memory. */
const CHUNK_BYTES = 16 << 20;

const size = z.int().min(1);

export const extractorSchema = z.strictObject({
  /** Name of the extractor; distances over its features are named after it. */
  name: z.string().min(1),
  /** SHA-256 of the graph or the classifier; null where the name alone identifies the extractor. */
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
type FeaturesInfo = z.output<typeof infoSchema>;

const pixelRecord = z.looseObject({
  map: z.strictObject(formRecord).exactOptional(),
  file: z.string().exactOptional(),
});

/** Returns what a record of pixel features says of the form of their images: nothing of bytes in [-1, 1]. */
export function pixelPreprocessing(form: ValueForm): { readonly map?: ReturnType<typeof recordOf> } {
  const map = recordOf(form);
  return Object.keys(map).length === 0 ? {} : { map };
}

/**
 * Returns the form of the images that pixel features were made of, whose normaliser maps to the features' units.
 * Undefined for other extractors, which do not use the normaliser, and for a file of mu and sigma, which has no form.
 */
export function pixelForm({ name, preprocessing }: Pick<ExtractorInfo, "name" | "preprocessing">) {
  if (name !== PIXEL_FEATURES) return undefined;
  const { map = {}, file } = parseRecord("preprocessing of pixels", preprocessing, pixelRecord);
  return file === undefined ? formOf(map) : undefined;
}

/** Writes vectors as they come, so that memory use does not grow with their number. */
export async function openFeaturesWriter(output: OutputArtifact, info: FeaturesInfo) {
  const { count, extractor: { dimension }, logits: classes } = info;
  await writeJson(output, INFO_FILE, info, infoSchema);
  const open = async (name: string, columns: number) => {
    const file = await Deno.open(join(output.folder, name), { write: true, create: true, truncate: true });
    await writeAll(file, encodeNpyHeader([count, columns], Float32Array));
    return file;
  };
  const features = await open(FEATURES_FILE, dimension);
  const logits = classes === null ? undefined : await open(LOGITS_FILE, classes);
  const checkRows = rowChecker(info.extractor);
  let written = 0;
  return {
    /** @throws FormatError for a number that is not finite */
    async add(vectors: Float32Array, answers?: Float32Array): Promise<void> {
      checkRows(vectors, FEATURES_FILE, { columns: dimension, first: written });
      if (classes !== null) checkRows(answers!, LOGITS_FILE, { columns: classes, first: written });
      written += vectors.length / dimension;
      await writeAll(features, bytesOf(vectors));
      if (logits !== undefined) await writeAll(logits, bytesOf(answers!));
    },
    /** @throws Error when fewer or more vectors came than the info says */
    async finish(labels?: LabelNumbers): Promise<void> {
      if (written !== count) throw new Error(`Cannot happen: ${written} features of ${count} were written`);
      if (labels !== undefined) await output.write(LABELS_FILE, encodeNpy({ shape: [count], data: labels }));
    },
    [Symbol.dispose]() {
      features.close();
      logits?.close();
    },
  };
}

/**
 * Opens features for reading by row.
 *
 * @throws FormatError when the artifact's files are not those of `openFeaturesWriter`. All numbers are checked, since
 * one that is not finite gives scores that look like any other.
 */
export async function openFeatures(artifact: InputArtifact) {
  const info = await readJson(artifact, INFO_FILE, infoSchema);
  const { count, extractor: { dimension }, logits: classes } = info;
  const checkRows = rowChecker(info.extractor);
  const read = async (name: string, type: NpyHeader["type"], shape: readonly number[]) => {
    const array = decodeNpy(await readBytes(artifact, name));
    checkArray(name, { shape: array.shape, type: array.data.constructor as NpyHeader["type"] }, { shape, type });
    return array.data;
  };
  let logits: Float32Array | undefined;
  if (classes !== null) {
    logits = await read(LOGITS_FILE, Float32Array, [count, classes]) as Float32Array;
    checkRows(logits, LOGITS_FILE, { columns: classes });
  }
  const labelled = artifact.files.some(({ path }) => path === LABELS_FILE);
  const labelType = labelTypeOf(info.classes);
  const labels = labelled ? await read(LABELS_FILE, labelType, [count]) as LabelNumbers : undefined;
  if (labels !== undefined) checkLabels(LABELS_FILE, labels, info.classes);
  const file = await Deno.open(artifact.path(fileOf(artifact, FEATURES_FILE).path));
  const stride = dimension * Float32Array.BYTES_PER_ELEMENT;
  try {
    const head = new Uint8Array(4096);
    const got = await file.read(head) ?? 0;
    const { length, ...header } = decodeNpyHeader(head.subarray(0, got));
    checkArray(FEATURES_FILE, header, { shape: [count, dimension], type: Float32Array });
    const [{ size }, wanted] = [await file.stat(), length + count * stride];
    if (size !== wanted) refuse(FEATURES_FILE, `${size} bytes`, `${wanted}`);
    // deno-lint-ignore require-await -- others keep their vectors elsewhere
    const rows = async (indices: ArrayLike<number>) => {
      const rows = new Float32Array(indices.length * dimension);
      readRows(bytesOf(rows), indices, (index) => ({ file, offset: length + index * stride }));
      return rows;
    };
    let vectors: FeatureVectors = { count, dimension, rows };
    const chunk = Math.ceil(CHUNK_BYTES / stride);
    for (let first = 0; first < count; first += chunk) {
      const some = await rows(range(first, Math.min(chunk, count - first)));
      checkRows(some, FEATURES_FILE, { columns: dimension, first });
      // Vectors that fit in one chunk stay in memory, because resampling asks for single rows tens of thousands of
      // times.
      if (some.length === count * dimension) vectors = vectorsOf(some, dimension);
    }
    return { info, vectors, logits, labels, [Symbol.dispose]: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}

export async function validate(artifact: InputArtifact): Promise<void> {
  using _features = await openFeatures(artifact);
}

export async function facts(artifact: InputArtifact): Promise<Facts> {
  const info = await readJson(artifact, INFO_FILE, infoSchema);
  const labels = artifact.files.some(({ path }) => path === LABELS_FILE);
  return { ...extractedFacts(info), vectors: true, logits: info.logits !== null, labels };
}

/** Facts of features, or of their statistics. Pixels are compared only with those of the same `pictures`. */
export function extractedFacts(
  { extractor, count, images }: Pick<FeaturesInfo, "extractor" | "count"> & { readonly images: ImageSet | null },
): Facts {
  const { name, sha256, preprocessing } = extractor;
  const form = pixelForm(extractor);
  const units = form && unitsText(form);
  const { height, width, channels } = images ?? {};
  const pictures = form && { height, width, channels, dtype: form.dtype, encoder: form.encoder ?? null };
  return {
    extractor: name,
    sha256,
    preprocessing,
    resize: preprocessing["resize"],
    count,
    ...definedOnly({ units, pictures }),
  };
}

function checkArray(file: string, got: Omit<NpyHeader, "length">, wanted: Omit<NpyHeader, "length">): void {
  const say = ({ shape, type }: typeof got) => `${type.name.replace("Array", "").toLowerCase()} [${shape}]`;
  if (say(got) !== say(wanted)) refuse(file, say(got), say(wanted));
}

/**
 * Returns a function that refuses rows with numbers that are not finite. The rows have `columns` numbers each, and the
 * first is row `first` of the file.
 */
function rowChecker({ name }: ExtractorInfo) {
  return (values: Float32Array, file: string, { columns, first = 0 }: { columns: number; first?: number }): void => {
    const bad = firstNotFinite(values);
    if (bad < 0) return;
    const row = first + Math.floor(bad / columns);
    const got = `${values[bad]} in column ${bad % columns}`;
    refuse(`${file}, row ${row}, of extractor "${name}"`, got, "finite numbers");
  };
}
