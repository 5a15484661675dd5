import { imageGrid } from "../../formats/image_grid.ts";
import { encodePng } from "../../formats/png.ts";
import type { SampleParams } from "./params.ts";
import type { ImageSize } from "../../artifacts/facts.ts";
import { canBePng } from "../../artifacts/images.ts";
import { unitToBytes } from "../shared/pixel_values.ts";

/** Pictures of how the first images came about, one row each: what they were after some steps, and what they would be. */
export interface Film {
  /** Bytes of [2, frames, images, H, W, C]: x_t, then the predicted x0. */
  readonly pixels: Uint8Array<ArrayBuffer>;
  /** Note the images after `done` of the walk's steps. */
  note(done: number, images: { readonly x: Float32Array; readonly x0: Float32Array }): void;
}

export type FilmParams = NonNullable<SampleParams["trajectory"]>;

export function startFilm({ images, frames }: FilmParams, walk: { steps: number; pixels: number }): Film {
  const size = images * walk.pixels;
  const pixels = new Uint8Array(2 * frames * size);
  /** Steps done at each frame, from noise to the end. */
  const marks = Array.from({ length: frames }, (_, i) => Math.round(i * walk.steps / (frames - 1)));
  return {
    pixels,
    note(done, { x, x0 }) {
      marks.forEach((mark, frame) => {
        if (mark !== done) return;
        unitToBytes(x.subarray(0, size), pixels.subarray(frame * size, (frame + 1) * size));
        unitToBytes(x0.subarray(0, size), pixels.subarray((frames + frame) * size, (frames + frame + 1) * size));
      });
    },
  };
}

/** The two strips as PNG files, by name; none for images that no PNG can hold. */
export function filmPictures(
  film: Uint8Array,
  { images, frames }: FilmParams,
  { height, width, channels }: ImageSize,
): Record<string, Uint8Array> {
  if (!canBePng(channels)) return {};
  const pixels = height * width * channels;
  const strip = (part: number) => {
    const rows = new Uint8Array(images * frames * pixels);
    for (let image = 0; image < images; image++) {
      for (let frame = 0; frame < frames; frame++) {
        const from = ((part * frames + frame) * images + image) * pixels;
        rows.set(film.subarray(from, from + pixels), (image * frames + frame) * pixels);
      }
    }
    return encodePng(imageGrid(rows, [images * frames, height, width, channels], { columns: frames }));
  };
  return { "trajectory.png": strip(0), "trajectory-x0.png": strip(1) };
}
