import { describeModel, labelFacts, readCheckpoint } from "../../artifacts/checkpoint.ts";
import { gridPng, imagesIn } from "../../artifacts/pictures.ts";
import type { StageEnd } from "../../engine/contract/stage.ts";
import type { Path } from "../../science/diffusion/define.ts";
import type { Values } from "../../science/diffusion/normalizer.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { openSamples, sampleOnDevice } from "../shared/draw/draw_images.ts";
import { runOf } from "../shared/run_of.ts";
import { labelsOf, makeDrawer } from "./drawer.ts";
import { sampleKind } from "./kind.ts";

export default runOf(sampleKind, async (context) => {
  const { params, inputs, outputs, definitions } = context;
  const { count, clip, clipQuantile, guidance, guidanceInterval, trajectory, files = [] } = params;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights, definitions);
  // Without guidance, as in the first run of a sweep, the guide is not used.
  const bad = guidance === 1 ? undefined : inputs.guide;
  const guide = bad && await readCheckpoint(bad, params.weights, definitions);
  if (guide !== undefined && !isSamePath(guide.path, checkpoint.path)) return ANOTHER_PATH;
  const told = labelFacts(checkpoint.config);
  const labelOf = labelsOf(params, told);
  const shown = told.classes !== undefined && params.labels !== "none";
  let film: Values | undefined;
  return await sampleOnDevice(context, checkpoint, { ...params, guide }, {
    makeDrawer: (walk) => makeDrawer(context, checkpoint, walk, { labelOf }),
    async finish(batches, view) {
      using writer = openSamples(context, checkpoint, {
        ...{ name: "sample", count, files },
        // Absent fields stand for the values of older samples, which must not change by a byte.
        how: {
          ...(clip === "unit" ? {} : { clip, ...(clip === "dynamic" ? { clipQuantile } : {}) }),
          ...(told.classes === undefined ? {} : { labels: params.labels ?? "cycle" }),
          ...(guidance === 1 ? {} : { guidance, ...definedOnly({ guidanceInterval }) }),
          ...(guide === undefined ? {} : { guide: describeModel(bad!, guide, params.weights) }),
        },
        classes: shown ? told.classes! : null,
      }, view);
      for await (const { first, count, rows } of batches) {
        const labels = shown ? Array.from({ length: count }, (_, i) => labelOf(first + i)!) : undefined;
        film ??= rows.film?.slice();
        await writer.add(rows, labels);
      }
      await writer.finish();
      if (trajectory === undefined || film === undefined) return;
      const shots = imagesIn(film, view.size);
      // Two strips, with a row for each image.
      for (const [part, name] of ["trajectory.png", "trajectory-x0.png"].entries()) {
        const strip = Array.from({ length: trajectory.images * trajectory.frames }, (_, at) => {
          const [image, frame] = [Math.floor(at / trajectory.frames), at % trajectory.frames];
          return shots[(part * trajectory.frames + frame) * trajectory.images + image]!;
        });
        await outputs.samples.write(name, gridPng(strip, { ...view.size, columns: trajectory.frames }, view.form));
      }
    },
  });
});

const ANOTHER_PATH: StageEnd = {
  status: "failed",
  message:
    "guide was trained on another noise path than checkpoint, where their images would differ at the same time, or " +
    "at the whole times of its tables alone",
  fix:
    "use a guide of the same schedule, with a variance and an objective that need no chain where those of checkpoint " +
    "do not",
};

/** Allowed difference between the numbers of a path and those of its tables, which are computed from its betas. */
const ROUNDING = 1e-9;

/** True if a guide has all times at which the network may be evaluated, and was trained on the same path at them. */
function isSamePath(guide: Path, own: Path): boolean {
  const near = (a: number, b: number) => Math.abs(a - b) <= ROUNDING * (1 + Math.abs(b));
  const same = (t: number) => near(guide.signal(t), own.signal(t)) && near(guide.noise(t), own.noise(t));
  const hasAll = guide.timesteps === own.timesteps && (guide.continuous || !own.continuous);
  return hasAll && Array.from({ length: own.timesteps }, (_, t) => t).every(same);
}
