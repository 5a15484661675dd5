import { describeModel, labelFacts, readCheckpoint } from "../../artifacts/checkpoint.ts";
import { imageAt, writePicture } from "../../artifacts/pictures.ts";
import { bytesOf } from "../../artifacts/rows.ts";
import type { StageEnd } from "../../contract/stage.ts";
import type { Path } from "../../diffusion/define.ts";
import { VALUE_TYPES } from "../../diffusion/normalizer.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { type Drawn, sampleOnDevice, writeSamples } from "../shared/draw/draw_images.ts";
import type { Walk } from "../shared/draw/walk.ts";
import { type Batch, inParts } from "../shared/parts.ts";
import { runOf } from "../shared/run_of.ts";
import { labelsOf, makeDrawer } from "./drawer.ts";
import { sampleKind } from "./kind.ts";

/** The file for the trajectory in the first share's output. */
const FILM_FILE = "film.bin";

export default runOf(sampleKind, async (context) => {
  const { params, inputs, outputs, share, parts, definitions } = context;
  const { count, clip, clipQuantile, guidance, guidanceInterval, trajectory, files = [] } = params;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights, definitions);
  // Without guidance, as in the first run of a sweep, the guide is not used.
  const bad = guidance === 1 ? undefined : inputs.guide;
  const guide = bad && await readCheckpoint(bad, params.weights, definitions);
  if (guide !== undefined && !isSamePath(guide.path, checkpoint.path)) return ANOTHER_PATH;
  const { images } = checkpoint.config;
  const size = images.height * images.width * images.channels;
  const told = labelFacts(checkpoint.config);
  const labelOf = labelsOf(params, told);
  const Type = VALUE_TYPES[checkpoint.form.dtype];
  let drawn: Drawn | undefined;
  const open = async () => {
    const plan = { ...params, guide };
    const draw = (walk: Walk) => makeDrawer(context, checkpoint, walk, { labelOf });
    const ended = await sampleOnDevice(context, checkpoint, plan, draw);
    if ("status" in ended) return ended;
    drawn = ended;
    if (ended.film !== undefined) await share?.part.write(FILM_FILE, bytesOf(ended.film));
    return {
      compute: ({ done, count }: Batch) => ({ pixels: ended.pixels.subarray(done * size, (done + count) * size) }),
    };
  };
  return await inParts(context, params, open, async (batches) => {
    const pixels = drawn?.pixels ?? new Type(count * size);
    if (drawn === undefined) { for await (const { first, rows } of batches) pixels.set(rows.pixels, first * size); }
    const shown = told.classes !== undefined && params.labels !== "none";
    await writeSamples(context, checkpoint, {
      name: "sample",
      // Absent fields stand for the values of older samples, which must not change by a byte.
      how: {
        ...(clip === "unit" ? {} : { clip, ...(clip === "dynamic" ? { clipQuantile } : {}) }),
        ...(told.classes === undefined ? {} : { labels: params.labels ?? "cycle" }),
        ...(guidance === 1 ? {} : { guidance, ...definedOnly({ guidanceInterval }) }),
        ...(guide === undefined ? {} : { guide: describeModel(bad!, guide, params.weights) }),
      },
      pixels,
      ...(shown ? { classes: told.classes!, labels: Uint8Array.from({ length: count }, (_, i) => labelOf(i)!) } : {}),
      files,
    });
    if (trajectory === undefined) return;
    const film = drawn === undefined ? new Type((await parts[0]!.read(FILM_FILE)).buffer) : drawn.film;
    if (film === undefined) return;
    // Two strips, with a row for each image.
    for (const [part, name] of ["trajectory.png", "trajectory-x0.png"].entries()) {
      const strip = Array.from({ length: trajectory.images * trajectory.frames }, (_, at) => {
        const [image, frame] = [Math.floor(at / trajectory.frames), at % trajectory.frames];
        return imageAt(film, (part * trajectory.frames + frame) * trajectory.images + image, images);
      });
      await writePicture(outputs.samples, name, strip, { ...images, columns: trajectory.frames }, checkpoint.form);
    }
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
