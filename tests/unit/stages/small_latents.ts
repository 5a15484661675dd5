import { assertEquals } from "@std/assert";
import type { InputArtifact } from "../../../engine/contract/stage.ts";
import { sampleKind, scheduleKind, trainKind } from "../../support/builtin_kinds.ts";
import { runStage, type StageOptions } from "../../support/stage_context.ts";
import { SMALL_TRAINING } from "./small_world.ts";

/** An autoencoder so small that a test can afford to train it. */
export const MODEL = { channels: 8, multipliers: [1, 2], blocks: 1, latentChannels: 2 };
export const TRAINING = { model: MODEL, steps: 3, batchSize: 8, learningRate: 1e-2 };

/** Runs a stage that must end well, and returns the only output that it wrote, but for the log. */
export async function made(folder: string, kind: Parameters<typeof runStage>[1], options: StageOptions) {
  const { end, outputs } = await runStage(folder, kind, options);
  assertEquals(end, undefined);
  const { log: _, ...others } = outputs;
  return Object.values(others).find(({ files }) => files.length > 0)!;
}

/** Trains on images, samples four from the trained network, and returns both. */
export async function trainedOn(folder: string, images: InputArtifact, params: object = { steps: 2 }) {
  const schedule = await made(folder, scheduleKind, { params: { betas: "ldm/cosine", timesteps: 50 }, inputs: {} });
  const training = { params: { ...SMALL_TRAINING, ...params }, inputs: { images, schedule } };
  const checkpoint = await made(folder, trainKind, training);
  const sampling = { count: 4, sampler: { name: "ddim", steps: 4 } };
  return { checkpoint, samples: await made(folder, sampleKind, { params: sampling, inputs: { checkpoint } }) };
}
