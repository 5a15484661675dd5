import { describeModel, type StoredCheckpoint, type WeightsName } from "../../../artifacts/checkpoint.ts";
import { type ImagesToWrite, writeImages } from "../../../artifacts/images.ts";
import type { InputArtifact, OutputArtifact, SavedState, StageContext, StageEnd } from "../../../contract/stage.ts";
import { firstNotFinite } from "../../../metrics/vectors.ts";
import type { Device } from "../../../tensor/mod.ts";
import { withDevice } from "../device.ts";
import { unitToBytes } from "../feeds.ts";
import { yieldToMessages } from "../macrotask.ts";
import { readVectors, vectorFiles, vectorOf } from "../saved_vectors.ts";
import type { SamplerParams } from "./params.ts";

interface DrawnBatch {
  /** [B, H, W, C], about [-1, 1]. */
  readonly images: Float32Array;
  /** Something else that is drawn along, of the first batch. */
  readonly film?: Uint8Array<ArrayBuffer> | undefined;
}

export interface BatchDrawer {
  /** Network evaluations per image. */
  readonly steps: number;
  /**
   * Draw the whole batch that starts at image `first`. `onStep` is awaited after each reverse step; when it returns false
   * the batch is given up and the result is undefined.
   */
  draw(first: number, onStep: (done: number) => Promise<boolean>): Promise<DrawnBatch | undefined>;
}

interface Drawn {
  /** Bytes, [N, H, W, C] row-major. */
  readonly pixels: Uint8Array<ArrayBuffer>;
  readonly film: Uint8Array<ArrayBuffer> | undefined;
}

interface DrawPlan {
  readonly count: number;
  readonly batchSize: number;
  /** Numbers of one image. */
  readonly pixels: number;
}

/**
 * Draw images batch by batch on the device of the stage, from those on that an earlier run saved; saves on the way and when
 * it is stopped.
 */
export function drawOnDevice(
  context: Pick<StageContext, "progress" | "stop" | "report" | "device"> & {
    readonly params: { readonly saveEverySeconds: number };
  },
  { count, batchSize, pixels }: DrawPlan,
  makeDrawer: (device: Device) => Promise<BatchDrawer>,
): Promise<Drawn | StageEnd> {
  return withDevice(context, async (device) => {
    const { progress, stop } = context;
    const saved = await progress.latest();
    // The last batch is whole like the others, and what is beyond `count` is dropped: padding of another kind could
    // change how the engine rounds.
    const bytes = new Uint8Array((count + batchSize) * pixels);
    const before = saved === undefined ? undefined : await readSaved(saved, pixels);
    let film = before?.film;
    if (before !== undefined) bytes.set(before.pixels);
    let done = saved?.step ?? 0;
    let lastSaved = done;
    const save = async () => {
      if (done === lastSaved) return;
      await progress.save(done, vectorFiles(FILE, { pixels: bytes.slice(0, done * pixels), film }));
      lastSaved = done;
    };
    const drawn = () => ({ pixels: bytes.slice(0, count * pixels), film });

    if (done === count) return drawn();
    const drawer = await makeDrawer(device);
    while (done < count) {
      const batch = await drawer.draw(done, async (step) => {
        const fraction = step / drawer.steps * Math.min(batchSize, count - done);
        context.report({ done: Math.floor(done + fraction), total: count, unit: "image" });
        await yieldToMessages();
        return !stop.aborted;
      });
      if (batch === undefined) {
        await save();
        return { status: "interrupted", step: done };
      }
      const bad = firstNotFinite(batch.images);
      if (bad >= 0) {
        const image = done + Math.floor(bad / pixels);
        const message = `image ${image} has a pixel that is ${batch.images[bad]}: the weights are broken`;
        return { status: "failed", message };
      }
      film ??= batch.film;
      unitToBytes(batch.images, bytes.subarray(done * pixels, (done + batchSize) * pixels));
      // A saved state holds whole batches, so that a longer run draws the same batches as one that never stopped.
      if (done + batchSize > count) break;
      done += batchSize;
      if (progress.isDue(context.params.saveEverySeconds)) await save();
    }
    await save();
    return drawn();
  });
}

/** Images that are done, as the progress of a stage that draws. */
const FILE = "images.safetensors";

/** @throws FormatError or Error when the file does not hold `saved.step` images */
async function readSaved(saved: SavedState, pixelsPerImage: number) {
  const { vectors } = await readVectors(saved, FILE);
  const pixels = vectorOf(vectors, "pixels", { file: FILE, type: Uint8Array, length: saved.step * pixelsPerImage });
  return { pixels, film: vectors["film"] as Uint8Array<ArrayBuffer> | undefined };
}

/** What a stage that drew images is given. */
interface DrawContext {
  readonly params: { readonly sampler: SamplerParams; readonly weights: WeightsName; readonly batchSize: number };
  readonly seed: number;
  readonly inputs: { readonly checkpoint: InputArtifact };
  readonly outputs: { readonly samples: OutputArtifact };
}

/** Write images that were drawn, with all that they came of. */
export async function writeDrawn(
  { params: { sampler, weights, batchSize }, seed, inputs, outputs }: DrawContext,
  checkpoint: StoredCheckpoint,
  { name, how, of, pixels, classes = null, ...rest }: Omit<ImagesToWrite, "info" | "picture"> & {
    /** The kind. */
    readonly name: string;
    /** Its params that decide what is drawn, beside those of all such kinds. */
    readonly how: Readonly<Record<string, unknown>>;
    /** The images that it started from. */
    readonly of?: { readonly digest: string; readonly source: unknown };
    readonly classes?: number | null;
  },
): Promise<void> {
  const { height, width, channels } = checkpoint.config.images;
  const count = pixels.length / (height * width * channels);
  const model = describeModel(inputs.checkpoint, checkpoint, weights);
  const source = { name, seed, sampler, ...how, batchSize, ...(of === undefined ? {} : { of }), model };
  const info = { count, height, width, channels, classes, source };
  await writeImages(outputs.samples, { info, pixels, picture: "grid.png", ...rest });
}
