import { readCheckpoint, type StoredCheckpoint, toldLabels } from "../../artifacts/checkpoint.ts";
import { labelNumber, type Labels } from "../../artifacts/labels.ts";
import { type Device, randomStream } from "../../tensor/mod.ts";
import { type BatchDrawer, type Drawn, drawOnDevice, writeDrawn } from "../shared/draw/draw_images.ts";
import { makeReverseWalker } from "../shared/draw/walker.ts";
import { tellLabels } from "../shared/feeds.ts";
import { type Batch, inParts } from "../shared/parts.ts";
import { runOf } from "../shared/run_of.ts";
import { startFilm, writeFilm } from "./film.ts";
import { sampleKind, type SampleParams } from "./kind.ts";

/** In the part of the first shard. */
const FILM_FILE = "film.bin";

export default runOf(sampleKind, async (context) => {
  const { params, seed, inputs, outputs, shard, parts } = context;
  const { count, clip, clipQuantile, guidance, trajectory, files = [] } = params;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights);
  const { images } = checkpoint.config;
  const size = images.height * images.width * images.channels;
  let drawn: Drawn | undefined;
  const open = async () => {
    const make = (device: Device) => makeBatchDrawer(checkpoint, { ...params, device, seed });
    const ended = await drawOnDevice(context, { ...params, pixels: size }, make);
    if ("status" in ended) return ended;
    drawn = ended;
    if (ended.film !== undefined) await shard?.part.write(FILM_FILE, ended.film);
    return {
      compute: ({ done, count }: Batch) => ({ pixels: ended.pixels.subarray(done * size, (done + count) * size) }),
    };
  };
  return await inParts(context, params, open, async (batches) => {
    const pixels = drawn?.pixels ?? new Uint8Array(count * size);
    if (drawn === undefined) { for await (const { first, rows } of batches) pixels.set(rows.pixels, first * size); }
    const told = toldLabels(checkpoint.config);
    const labelOf = labelsOf(params, told);
    const shown = told.classes !== undefined && params.labels !== "none";
    await writeDrawn(context, checkpoint, {
      name: "sample",
      // Absent is what older samples were: they must not change by a byte.
      how: {
        ...(clip === "unit" ? {} : { clip, ...(clip === "dynamic" ? { clipQuantile } : {}) }),
        ...(told.classes === undefined ? {} : { labels: params.labels ?? "cycle" }),
        ...(guidance === 1 ? {} : { guidance }),
      },
      pixels,
      ...(shown ? { classes: told.classes!, labels: Uint8Array.from({ length: count }, (_, i) => labelOf(i)!) } : {}),
      files,
    });
    if (trajectory === undefined) return;
    const film = drawn === undefined ? await parts[0]!.read(FILM_FILE) : drawn.film;
    if (film !== undefined) await writeFilm(outputs.samples, film, { ...trajectory, ...images });
  });
});

export interface DrawOptions
  extends Pick<SampleParams, "sampler" | "batchSize" | "clip" | "clipQuantile" | "guidance" | "labels" | "trajectory"> {
  readonly device: Device;
  readonly seed: number;
}

/**
 * Noise belongs to the image: x_T of image i is step i of one stream, and its z at reverse step k is the i-th piece of
 * step k of another. So an image does not depend on how many are drawn.
 */
export async function makeBatchDrawer(checkpoint: StoredCheckpoint, options: DrawOptions): Promise<BatchDrawer> {
  const { batchSize, seed, trajectory } = options;
  const walker = await makeReverseWalker(checkpoint, options);
  const { pixels } = walker;
  const labelOf = labelsOf(options, toldLabels(checkpoint.config));
  const initial = randomStream({ seed, stream: "sample/initial" });
  const fresh = randomStream({ seed, stream: "sample/step" });
  const noise = new Float32Array(batchSize * pixels);
  const steps = walker.steps.length;

  return {
    steps,
    async draw(first, onStep) {
      for (let i = 0; i < batchSize; i++) initial.normal(first + i, noise.subarray(i * pixels, (i + 1) * pixels));
      const labels = Array.from({ length: batchSize }, (_, i) => labelOf(first + i));
      walker.begin(noise, tellLabels(checkpoint.config.model, labels));
      const film = trajectory !== undefined && first === 0 ? startFilm(trajectory, { steps, pixels }) : undefined;
      film?.note(0, { x: noise, x0: noise });
      let images = noise;
      for (let k = 0; k < steps; k++) {
        const walked = await walker.step(k, (z) => fresh.normal(k, z, { offset: first * pixels }));
        images = walked.x;
        film?.note(k + 1, walked);
        if (!await onStep(k + 1)) return undefined;
      }
      return { images, film: film?.pixels };
    },
  };
}

/** The label of an image by its index, as the params say, for a network that is told such labels; undefined is none. */
export function labelsOf(
  { labels = "cycle" }: Pick<SampleParams, "labels">,
  { classes, classNames }: Partial<Labels>,
): (image: number) => number | undefined {
  if (classes === undefined || labels === "none") return () => undefined;
  if (labels === "cycle") return (image) => image % classes;
  const numbers = labels.map((label) => labelNumber(label, { classes, classNames }));
  return (image) => numbers[image % numbers.length];
}
