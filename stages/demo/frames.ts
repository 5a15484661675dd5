import type { StoredDecoder } from "../../artifacts/autoencoder.ts";
import { labelFacts, type StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import type { ImageSize } from "../../artifacts/facts.ts";
import type { OwnDefinition } from "../../engine/contract/stage.ts";
import { denormalize, normalize, type ValueForm } from "../../science/diffusion/normalizer.ts";
import { mix } from "../../science/diffusion/samplers/mix.ts";
import { definedOnly } from "../../std/defined_only.ts";
import type { Device } from "../../science/tensor/device.ts";
import { knownCells, makeDrawer as makeInpainter } from "../inpaint/drawer.ts";
import { initialNoise, labelsOf, makeDrawer as makeSampler } from "../sample/drawer.ts";
import { openView } from "../shared/coder.ts";
import { chooseSampler } from "../shared/draw/sampler.ts";
import { openSampler } from "../shared/draw/walk.ts";
import { type Batch, type Frame, MOST_FRAMES, type Task } from "./browser/protocol.ts";

/** The bytes of images made beforehand, frames included, that a page has at most; it has one image at least. */
const MOST_MADE = 4 << 20;

/** A network with the decoder of its latents, if it samples latents, and the user's definitions that it needs. */
interface Sampled {
  readonly checkpoint: StoredCheckpoint;
  readonly decoder?: StoredDecoder | undefined;
  readonly definitions: readonly OwnDefinition[];
}

/** Returns how many of `count` images a page has, and how many frames of each besides the last. */
export function fitPage(count: number, { height, width, channels }: ImageSize): Record<"total" | "most", number> {
  // A frame shows an image twice: as it is, and as it is predicted. An image has two frames at least.
  const fitting = MOST_MADE / (2 * height * width * channels);
  const total = Math.max(1, Math.min(count, Math.floor(fitting / 2)));
  return { total, most: Math.max(1, Math.min(MOST_FRAMES, Math.floor(fitting / total) - 1)) };
}

/**
 * Samples a batch of a task's images. `see` gets a frame at most about `most` times between noise and the end, then a
 * last one. `onStep` is called after each evaluation of the network; an error that it throws ends sampling.
 */
export async function sampleFrames(
  { checkpoint, decoder, definitions }: Sampled,
  device: Device,
  { task, first, count: batchSize }: Batch,
  { most, onStep, see }: {
    readonly most: number;
    readonly onStep: () => void;
    readonly see: (frame: Frame) => void;
  },
): Promise<void> {
  const sampler = chooseSampler(task.sampler, definitions);
  const walk = await openSampler(checkpoint, { device, batchSize, guidance: task.guidance, sampler });
  const { form, config: { images: latents } } = checkpoint;
  const size = decoder?.imagesOf(latents) ?? latents;
  const { steps: total, draw } = drawerOf(task, batchSize, checkpoint, walk, size);
  const view = decoder && await openView({ ...decoder, form: shownForm(decoder.form) }, size, { device, batchSize });
  const decoded = async (z: Float32Array) => await view!.show([denormalize(z, form)]) as Uint8Array<ArrayBuffer>;
  const show = async (done: number, x: Float32Array, x0: Float32Array) =>
    see(
      view === undefined
        ? { done, total, x: pixelsOf(x, shownForm(form)), x0: pixelsOf(x0, shownForm(form), task) }
        : { done, total, x: await decoded(x), x0: await decoded(x0), latents: x0.slice() },
    );
  const { images } = await draw(
    first,
    onStep,
    (done, { x, x0 }, ended) => ended || done % Math.ceil(total / most) > 0 || show(done, x, x0),
  );
  await show(total, images, images);
}

/** Returns the form in which the page holds images: bytes, for the network's numbers from -1 to 1 or nearly all. */
function shownForm({ dtype, normalizer }: ValueForm): ValueForm {
  if (dtype === "uint8") return { dtype, normalizer };
  const most = normalizer.how === "moments" ? 2.5 : 1;
  return { dtype: "uint8", normalizer: { ...normalizer, scale: [127.5 / most], shift: [most] } };
}

/** Converts images to bytes. As in the stage, kept pixels of an inpainted image keep their exact bytes. */
function pixelsOf(images: Float32Array, form: ValueForm, { inpaint }: Partial<Task> = {}): Uint8Array<ArrayBuffer> {
  // The kind takes checkpoints of 8-bit images only.
  const bytes = denormalize(images, form) as Uint8Array<ArrayBuffer>;
  if (inpaint === undefined) return bytes;
  const { image, kept } = inpaint;
  return bytes.map((value, i) => kept[i % kept.length] === 1 ? image[i % image.length]! : value);
}

function drawerOf(
  { seed, labels, inpaint, way }: Task,
  batchSize: number,
  checkpoint: StoredCheckpoint,
  walk: Awaited<ReturnType<typeof openSampler>>,
  size: ImageSize,
) {
  const params = { batchSize, repeats: 1 };
  if (inpaint !== undefined) {
    const told = typeof labels === "string" ? undefined : Uint8Array.from(labels);
    const { image } = inpaint;
    const images: Parameters<typeof makeInpainter>[2]["images"] = {
      info: { count: 1 },
      labels: told,
      read(indices, out) {
        const { normalizer } = shownForm(checkpoint.form);
        for (let i = 0; i < indices.length; i++) {
          if (image instanceof Float32Array) out.set(image, i * image.length);
          else normalize(image, out.subarray(i * image.length), normalizer);
        }
      },
    };
    return makeInpainter({ params, seed }, checkpoint, {
      walk,
      images,
      kept: knownCells(inpaint.kept, size, checkpoint.config.images),
    });
  }
  const labelOf = labelsOf({ labels }, labelFacts(checkpoint.config));
  const noiseOf = way && ((point: number) => {
    const end = (of: number) => initialNoise(of, walk.pixels)(way.image);
    // On a circle: the squares of the factors add up to 1, so that each point is noise as well.
    const angle = Math.PI / 2 * point / (way.points - 1);
    return mix([Math.cos(angle), end(seed)], [Math.sin(angle), end(way.to)]);
  });
  return makeSampler({ params, seed }, checkpoint, walk, { labelOf, ...definedOnly({ noiseOf }) });
}
