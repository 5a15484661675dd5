import type { ImageSize } from "../../artifacts/facts.ts";
import { imageAt, writePicture } from "../../artifacts/images.ts";
import type { OutputArtifact } from "../../contract/stage.ts";
import { unitToBytes } from "../shared/feeds.ts";
import type { SampleParams } from "./kind.ts";

type FilmParams = NonNullable<SampleParams["trajectory"]>;

/** Pictures of how the first images came about, one row each: what they were after some steps, and what they would be. */
export function startFilm({ images, frames }: FilmParams, walk: { steps: number; pixels: number }) {
  const size = images * walk.pixels;
  const pixels = new Uint8Array(2 * frames * size);
  /** Evaluations done at each frame, from noise to the end. */
  const marks = Array.from({ length: frames }, (_, i) => Math.round(i * walk.steps / (frames - 1)));
  return {
    /** Bytes of [2, frames, images, H, W, C]: x_t, then the predicted x0. */
    pixels,
    /** Note the images after `done` evaluations; the walk may end with fewer than it could have had. */
    note(done: number, { x, x0 }: { readonly x: Float32Array; readonly x0: Float32Array }, ended: boolean): void {
      marks.forEach((mark, frame) => {
        if (mark !== done && !(ended && mark > done)) return;
        unitToBytes(x.subarray(0, size), pixels.subarray(frame * size, (frame + 1) * size));
        unitToBytes(x0.subarray(0, size), pixels.subarray((frames + frame) * size, (frames + frame + 1) * size));
      });
    },
  };
}

/** Write the two strips as PNG files. */
export async function writeFilm(
  output: OutputArtifact,
  film: Uint8Array<ArrayBuffer>,
  { images, frames, ...size }: FilmParams & ImageSize,
): Promise<void> {
  const strip = (part: number) =>
    Array.from({ length: images * frames }, (_, at) => {
      const [image, frame] = [Math.floor(at / frames), at % frames];
      return imageAt(film, (part * frames + frame) * images + image, size);
    });
  await writePicture(output, "trajectory.png", strip(0), { ...size, columns: frames });
  await writePicture(output, "trajectory-x0.png", strip(1), { ...size, columns: frames });
}
