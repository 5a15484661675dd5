import { learnsVariance } from "../../diffusion/model_output.ts";
import type { RunOf } from "../../contract/stage.ts";
import { readCheckpoint, toldLabels } from "../../artifacts/checkpoint.ts";
import { failedBy, isError } from "../shared/failed.ts";
import { writeImages } from "../../artifacts/images.ts";
import { checkSampler } from "../shared/reverse/check_sampler.ts";
import { drawOnDevice } from "../shared/reverse/draw_images.ts";
import { checkDrawing } from "./check.ts";
import { makeBatchDrawer } from "./draw_batch.ts";
import { filmPictures } from "./film.ts";
import type { sampleKind } from "./kind.ts";
import { makeLabels } from "./labels.ts";

const run: RunOf<typeof sampleKind> = async (context) => {
  const { params, seed, inputs, outputs } = context;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights);
  const { images, timesteps, step, parameters, schedule, model: network } = checkpoint.config;
  const told = toldLabels(checkpoint.config);
  const chain = { timesteps, learnedVariance: learnsVariance(network) };
  const problem = [
    ...checkSampler(params.sampler, chain),
    ...checkDrawing(params, { classes: null, ...told }),
  ].find(isError);
  if (problem !== undefined) return failedBy(problem);

  const plan = { ...params, pixels: images.height * images.width * images.channels };
  const drawn = await drawOnDevice(context, plan, (device) => makeBatchDrawer(checkpoint, { ...params, device, seed }));
  if ("status" in drawn) return drawn;
  const { height, width, channels } = images;
  const { count, clip, clipQuantile, guidance, trajectory, files } = params;
  const labels = makeLabels(params, told);
  const shown = labels !== undefined && params.labels !== "none" ? labels : undefined;
  const model = { digest: inputs.checkpoint.digest, weights: params.weights, step, parameters, schedule };
  // Absent is what older samples were: they must not change by a byte.
  const how = {
    ...(clip === "unit" ? {} : { clip, ...(clip === "dynamic" ? { clipQuantile } : {}) }),
    ...(labels === undefined ? {} : { labels: params.labels ?? "cycle" }),
    ...(guidance === 1 ? {} : { guidance }),
  };
  await writeImages(outputs.samples, {
    info: {
      count,
      height,
      width,
      channels,
      classes: shown === undefined ? null : shown.classes,
      source: { name: "sample", seed, sampler: params.sampler, ...how, batchSize: params.batchSize, model },
    },
    pixels: drawn.pixels,
    ...(shown === undefined ? {} : { labels: Uint8Array.from({ length: count }, (_, i) => shown.labelOf(i)!) }),
    picture: "grid.png",
    files: files ?? [],
  });
  if (trajectory !== undefined && drawn.film !== undefined) {
    const pictures = filmPictures(drawn.film, trajectory, images);
    for (const [name, bytes] of Object.entries(pictures)) await outputs.samples.write(name, bytes);
  }
  return undefined;
};

export default run;
