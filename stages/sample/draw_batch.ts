import type { SampleParams } from "./params.ts";
import { type Device, randomStream } from "../../tensor/mod.ts";
import { type StoredCheckpoint, toldLabels } from "../../artifacts/checkpoint.ts";
import type { BatchDrawer } from "../shared/reverse/draw_images.ts";
import { makeReverseWalker } from "../shared/reverse/walker.ts";
import { startFilm } from "./film.ts";
import { makeLabels } from "./labels.ts";

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
  const labels = makeLabels(options, toldLabels(checkpoint.config));
  const initial = randomStream({ seed, stream: "sample/initial" });
  const fresh = randomStream({ seed, stream: "sample/step" });
  const noise = new Float32Array(batchSize * pixels);
  const steps = walker.steps.length;

  return {
    steps,
    async draw(first, onStep) {
      for (let i = 0; i < batchSize; i++) initial.normal(first + i, noise.subarray(i * pixels, (i + 1) * pixels));
      walker.begin(noise, labels?.oneHot(first, batchSize));
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
