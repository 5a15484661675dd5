import { describeModel, type StoredCheckpoint } from "../../../artifacts/checkpoint.ts";
import { type ImagesToWrite, writeImages } from "../../../artifacts/images.ts";
import type { InputArtifact, OutputArtifact, OwnDefinition, StageContext, StageEnd } from "../../../contract/stage.ts";
import { denormalize, VALUE_TYPES, type Values } from "../../../diffusion/normalizer.ts";
import { decodeVectors, encodeVectors, vectorOf } from "../../../formats/vectors.ts";
import { withDevice } from "../device.ts";
import { batchesOfShare } from "../parts.ts";
import { failedBy } from "../checks.ts";
import type { PredictorOptions } from "./predictor.ts";
import { chooseSampler, type SamplerParam } from "./sampler.ts";
import { type BatchWalk, openSampler, SamplerError, type Walk } from "./walk.ts";

/** The finished images, saved as the progress of a stage that samples. */
const FILE = "images.safetensors";

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
  ): Promise<{ readonly images: Float32Array; readonly film?: Drawn["film"] }>;
}

export interface Drawn {
  /** Stored values, [N, H, W, C] row-major; in a share, those of the share's images. */
  readonly pixels: Values;
  readonly film: Values | undefined;
}

/**
 * Samples images batch by batch on the stage's device, with its sampler, continuing from images that an earlier run
 * saved. Saves at intervals and when it is stopped.
 */
export function sampleOnDevice(
  context: Pick<StageContext, "progress" | "stop" | "report" | "device" | "share" | "definitions"> & {
    readonly params: { readonly sampler: SamplerParam; readonly saveEverySeconds: number };
  },
  checkpoint: StoredCheckpoint,
  { count, ...options }: Omit<PredictorOptions, "device"> & { readonly count: number },
  makeDrawer: (walk: Walk) => BatchDrawer,
): Promise<Drawn | StageEnd> {
  return withDevice(context, async (device) => {
    const { progress, stop, params } = context;
    const { batchSize } = options;
    const { height, width, channels } = checkpoint.config.images;
    const pixels = height * width * channels;
    const batches = batchesOfShare({ count, batchSize }, context.share);
    const total = batches[0]?.total ?? 0;
    const saved = await progress.latest();
    // The last batch is computed in full, like the others, and images beyond `count` are dropped: another kind of
    // padding could change how the engine rounds.
    const Type: new (length: number) => Values = VALUE_TYPES[checkpoint.form.dtype];
    const values = new Type((total + batchSize) * pixels);
    // Steps are indices among all images, so that a saved state beyond the extent is recognised in a share as well.
    let step = saved?.step ?? 0;
    const left = batches.filter(({ first }) => first >= step);
    // Number of this process's images in whole batches.
    let whole = left[0]?.done ?? total;
    let film: Drawn["film"];
    if (saved !== undefined) {
      const { vectors } = decodeVectors(await saved.read(FILE));
      values.set(vectorOf(vectors, "pixels", { file: FILE, type: Type, length: whole * pixels }));
      film = vectors["film"] as Drawn["film"];
    }
    let lastSaved = step;
    const save = async () => {
      if (step === lastSaved) return;
      await progress.save(step, { [FILE]: encodeVectors({ pixels: values.slice(0, whole * pixels), film }) });
      lastSaved = step;
    };
    const drawn = () => ({ pixels: values.slice(0, total * pixels), film });

    if (left.length === 0) return drawn();
    // A sampler may continue, and even return images, after it was told to stop.
    let stopped = false;
    const sampler = chooseSampler(params.sampler, context.definitions);
    const drawer = await openSampler(checkpoint, { ...options, sampler, device }).then(makeDrawer).catch(faultOf);
    if ("status" in drawer) return drawer;
    for (const { first, done, ...own } of left) {
      const batch = await drawer.draw(first, (steps) => {
        const fraction = steps / drawer.steps * own.count;
        context.report({ done: Math.floor(done + fraction), total, unit: "image" });
        stopped ||= stop.aborted;
        if (stopped) throw new Error("The stage was told to stop");
      }).catch((error) => stopped ? undefined : faultOf(error));
      if (stopped || batch === undefined) {
        await save();
        return { status: "interrupted", step };
      }
      if ("status" in batch) return batch;
      film ??= batch.film;
      values.set(denormalize(batch.images, checkpoint.form), done * pixels);
      // A saved state holds whole batches, so that a longer run samples the same batches as one that never stopped.
      if (own.count === batchSize) {
        const next = left.find((one) => one.first > first);
        step = Math.min(next?.first ?? Infinity, Math.floor(count / batchSize) * batchSize);
        whole = done + batchSize;
      }
      if (progress.isDue(params.saveEverySeconds)) await save();
    }
    await save();
    return drawn();
  });
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

/** Writes sampled images, with everything that they were made from. */
export async function writeSamples(
  { params: { sampler: param, weights, batchSize }, definitions, seed, inputs, outputs }: DrawContext,
  checkpoint: StoredCheckpoint,
  { name, how, of, pixels, classes = null, ...rest }: Omit<ImagesToWrite, "info" | "picture"> & {
    /** The kind. */
    readonly name: string;
    /** The kind's params that decide what is sampled, besides those of all such kinds. */
    readonly how: Readonly<Record<string, unknown>>;
    /** The images that sampling started from. */
    readonly of?: { readonly digest: string; readonly source: unknown };
    readonly classes?: number | null;
  },
): Promise<void> {
  const { form: { dtype: _, ...form }, config: { images: { height, width, channels } } } = checkpoint;
  const count = pixels.length / (height * width * channels);
  const model = describeModel(inputs.checkpoint, checkpoint, weights);
  const { record: sampler } = chooseSampler(param, definitions);
  const source = { name, seed, sampler, ...how, batchSize, ...(of === undefined ? {} : { of }), model };
  const info = { count, height, width, channels, classes, ...form, source };
  await writeImages(outputs.samples, { info, pixels, picture: "grid.png", ...rest });
}
