import { readDecoder } from "../../../artifacts/autoencoder.ts";
import { describeModel, type StoredCheckpoint } from "../../../artifacts/checkpoint.ts";
import { openImagesWriter } from "../../../artifacts/image_files.ts";
import { picturedCount, type View } from "../../../artifacts/pictures.ts";
import type {
  InputArtifact,
  OutputArtifact,
  OwnDefinition,
  StageContext,
  StageEnd,
} from "../../../engine/contract/stage.ts";
import { denormalize, joinValues, VALUE_TYPES, type Values } from "../../../science/diffusion/normalizer.ts";
import { decodeVectors, encodeVectors, vectorOf } from "../../../science/formats/vectors.ts";
import type { Device } from "../../../science/tensor/mod.ts";
import { failedBy } from "../checks.ts";
import { openView } from "../coder.ts";
import {
  type Batch,
  batchesOfShare,
  type BatchWork,
  type ComputedBatch,
  Ended,
  inPartsOnDevice,
  type Rows,
} from "../parts.ts";
import { SHOWN_AT_ONCE } from "./check.ts";
import type { PredictorOptions } from "./predictor.ts";
import { chooseSampler, type SamplerParam } from "./sampler.ts";
import { type BatchWalk, openSampler, SamplerError, type Walk } from "./walk.ts";

export interface BatchDrawer {
  /** Network evaluations per image. */
  readonly steps: number;
  /**
   * Samples the whole batch that starts at image `first`. `onStep` is called after each evaluation of the network; an
   * error that it throws aborts the batch. `see` gets the images while they are sampled.
   *
   * @returns images [B, H, W, C], about [-1, 1]; for the first batch optionally a film of how its images formed
   */
  draw(
    first: number,
    onStep: BatchWalk["onStep"],
    see?: BatchWalk["see"],
  ): Promise<{ readonly images: Float32Array; readonly film?: Values | undefined }>;
}

/** Drawn values, in bytes, that are saved although no time has passed; a file of a saved state has no more. */
const MOST_BYTES = 64 << 20;
/** Files of a saved state hold whole batches. Each is named for the number of this process's images before it. */
const fileFrom = (done: number) => done === 0 ? "images.safetensors" : `images-${done}.safetensors`;

/** The stored values of a batch, [B, H, W, C] row-major. */
interface DrawnRows extends Rows {
  readonly pixels: Values;
  /** Those of the set's picture that are in the batch, decoded. Absent if they are shown as they are. */
  readonly shown?: Values;
  /** With the first batch, if there is one: the film, decoded too. */
  readonly film?: Values;
}

/**
 * Samples images batch by batch on the stage's device, with its sampler, continuing from images that an earlier run
 * saved, and passes all to `finish`, as `inParts` does. Saves at intervals and when the stage is stopped: a state holds
 * what was drawn since the last in a new file, and links to the files before that.
 *
 * @param finish also gets what pictures show of images, with an autoencoder the decoded ones; where shards are joined
 * it has no `show`
 */
export async function sampleOnDevice(
  context: Pick<StageContext, "progress" | "stop" | "report" | "device" | "share" | "parts" | "definitions"> & {
    readonly params: { readonly sampler: SamplerParam; readonly saveEverySeconds: number };
    readonly inputs: { readonly autoencoder?: InputArtifact | undefined };
  },
  checkpoint: StoredCheckpoint,
  { count, ...options }: Omit<PredictorOptions, "device"> & { readonly count: number },
  { makeDrawer, finish }: {
    readonly makeDrawer: (walk: Walk, view: View) => BatchDrawer;
    readonly finish: (batches: AsyncIterable<ComputedBatch<DrawnRows>>, view: View) => Promise<void>;
  },
): Promise<StageEnd | undefined> {
  const { progress, stop, params, share, inputs: { autoencoder } } = context;
  const { batchSize } = options;
  const { config: { images }, form } = checkpoint;
  const size = images.height * images.width * images.channels;
  const decoder = autoencoder && await readDecoder(autoencoder, form.encoder, context.definitions);
  let view: View = {
    size: decoder?.imagesOf(images) ?? images,
    form: decoder?.form ?? form,
    show: (pieces) => Promise.resolve(joinValues(pieces)),
  };
  const Type: Pick<Uint8ArrayConstructor, "BYTES_PER_ELEMENT"> & (new (length: number) => Values) =
    VALUE_TYPES[form.dtype];

  const open = async (device: Device): Promise<BatchWork<DrawnRows>> => {
    let saved = await progress.latest();
    const batches = batchesOfShare({ count, batchSize }, share);
    // Steps are indices among all images, so that a saved state beyond the extent is recognised in a share as well.
    let step = saved?.step ?? 0;
    let lastSaved = step;
    /** Number of this process's images that are drawn in whole batches. */
    let whole = batches.find(({ first }) => first >= step)?.done ?? batches[0]!.total;
    /** Numbers of images before each file of the newest state. */
    const starts: number[] = [];
    let read: { readonly from: number; readonly values: Values } | undefined;
    let unsaved: Values[] = [];
    let film: Values | undefined;
    let drawer: BatchDrawer | undefined;
    if (decoder !== undefined) view = await openView(decoder, view.size, { device, batchSize: SHOWN_AT_ONCE });
    const readFile = async (from: number) => {
      const { vectors } = decodeVectors(await saved!.read(fileFrom(from)));
      const length = vectors["pixels"]?.length ?? 0;
      film ??= vectors["film"] as Values | undefined;
      return vectorOf(vectors, "pixels", { file: fileFrom(from), type: Type, length });
    };
    const readSaved = async ({ done, count: own }: Batch) => {
      if (read === undefined || (done - read.from) * size >= read.values.length) {
        read = { from: done, values: await readFile(done) };
        starts.push(done);
      }
      return read.values.subarray((done - read.from) * size, (done - read.from + own) * size) as Values;
    };
    const save = async () => {
      if (step === lastSaved) return step;
      let from = whole - unsaved.length * batchSize;
      // A file that is no longer than what comes after it is joined to it, or a long sampling would have too many.
      for (let last = starts.at(-1); last !== undefined; last = starts.at(-1)) {
        if (from - last > whole - from || (whole - last) * size * Type.BYTES_PER_ELEMENT > MOST_BYTES) break;
        unsaved.unshift(await readFile(last));
        from = starts.pop()!;
      }
      const pixels = joinValues(unsaved);
      const parts = encodeVectors({ pixels, film: from === 0 ? film : undefined });
      const linked = starts.map(fileFrom).map((name) => [name, { path: saved!.path(name) }]);
      saved = await progress.save(lastSaved = step, { ...Object.fromEntries(linked), [fileFrom(from)]: parts });
      starts.push(from);
      unsaved = [];
      return step;
    };
    const draw = async (batch: Batch): Promise<Values> => {
      const { first, count: own, done, total } = batch;
      if (done < whole) return await readSaved(batch);
      if (drawer === undefined) {
        const sampler = chooseSampler(params.sampler, context.definitions);
        const opened = await openSampler(checkpoint, { ...options, sampler, device })
          .then((walk) => makeDrawer(walk, view)).catch(faultOf);
        if ("status" in opened) throw new Ended(opened);
        drawer = opened;
      }
      const { steps } = drawer;
      // A sampler may continue, and even return images, after it was told to stop.
      let stopped = false;
      const drawn = await drawer.draw(first, (evaluations) => {
        context.report({ done: Math.floor(done + evaluations / steps * own), total, unit: "image" });
        stopped ||= stop.aborted;
        if (stopped) throw new Error("The stage was told to stop");
      }).catch((error) => stopped ? undefined : faultOf(error));
      if (stopped || drawn === undefined) throw new Ended({ status: "interrupted", step: await save() });
      if ("status" in drawn) throw new Ended(drawn);
      film ??= drawn.film;
      const values = denormalize(drawn.images, form);
      // A saved state holds whole batches, so that a longer run samples the same batches as one that never stopped.
      // The last batch is computed in full, like the others, and images beyond `count` are dropped: another kind of
      // padding could change how the engine rounds.
      if (own === batchSize) {
        const next = batches.find((one) => one.first > first);
        step = Math.min(next?.first ?? Infinity, Math.floor(count / batchSize) * batchSize);
        whole = done + batchSize;
        unsaved.push(values);
      }
      const isMuch = unsaved.length * values.byteLength >= MOST_BYTES;
      if (isMuch || done + own === total || progress.isDue(params.saveEverySeconds)) await save();
      return values.subarray(0, own * size) as Values;
    };
    return {
      save,
      async compute(batch) {
        const pixels = await draw(batch);
        const pictured = decoder === undefined ? 0 : picturedCount(view.size) - batch.first;
        return {
          pixels,
          ...(pictured > 0 && { shown: await view.show([pixels.subarray(0, pictured * size) as Values]) }),
          ...(batch.first === 0 && film !== undefined && { film: await view.show([film]) }),
        };
      },
    };
  };
  const work = { count, batchSize, further: ["shown", "film"] };
  return await inPartsOnDevice(
    context,
    work,
    open,
    (batches: AsyncIterable<ComputedBatch<DrawnRows>>) => finish(batches, view),
  );
}

/** Converts a fault of a sampler to the end of its stage. Other errors are bugs. */
export function faultOf(error: unknown): StageEnd {
  if (!(error instanceof SamplerError)) throw error;
  return failedBy({ ...error.problem, message: error.message });
}

/** The context of a stage that sampled images. */
interface DrawContext {
  readonly params: { readonly sampler: SamplerParam; readonly weights: string; readonly batchSize: number };
  readonly definitions: readonly OwnDefinition[];
  readonly seed: number;
  readonly inputs: { readonly checkpoint: InputArtifact };
  readonly outputs: { readonly samples: OutputArtifact };
}

/** Writes sampled images. */
interface SamplesWriter extends Disposable {
  add(rows: DrawnRows, labels?: ArrayLike<number>): Promise<void>;
  finish(): Promise<unknown>;
}

/**
 * Opens a writer of sampled images, with everything that they were made from.
 *
 * @param view what their picture shows
 */
export function openSamples(
  { params: { sampler: param, weights, batchSize }, definitions, seed, inputs, outputs }: DrawContext,
  checkpoint: StoredCheckpoint,
  { name, count, how, of, classes = null, files }: {
    /** The kind. */
    readonly name: string;
    readonly count: number;
    /** The kind's params that decide what is sampled, besides those of all such kinds. */
    readonly how: Readonly<Record<string, unknown>>;
    /** The images that sampling started from. */
    readonly of?: { readonly digest: string; readonly source: unknown };
    readonly classes?: number | null;
    /** Further formats to write the images in. */
    readonly files?: readonly ("png" | "npz")[];
  },
  view: View,
): SamplesWriter {
  const { form, config: { images: { height, width, channels } } } = checkpoint;
  const model = describeModel(inputs.checkpoint, checkpoint, weights);
  const { record: sampler } = chooseSampler(param, definitions);
  const source = { name, seed, sampler, ...how, batchSize, ...(of === undefined ? {} : { of }), model };
  const info = { count, height, width, channels, classes, ...form, source };
  const writer = openImagesWriter(outputs.samples, info, "grid.png", files);
  const shown: Values[] = [];
  return {
    async add(rows, labels) {
      if (rows.shown !== undefined) shown.push(rows.shown.slice());
      await writer.add(rows.pixels, labels);
    },
    finish: () => writer.finish({}, shown.length === 0 ? undefined : { ...view, values: joinValues(shown) }),
    [Symbol.dispose]: () => writer[Symbol.dispose](),
  };
}
