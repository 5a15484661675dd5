import { BYTES, isBounded, normalize, type ValueForm, type Values } from "../science/diffusion/normalizer.ts";
import { imageGrid } from "../science/pictures/image_grid.ts";
import { linePlots, pointPlots } from "../science/pictures/plots.ts";
import { encodePng } from "../science/formats/png_encoder.ts";
import { quantile } from "../science/metrics/spread.ts";
import type { ImageSize } from "./facts.ts";

/** Number of images or signals, and of points, that a set's picture shows. */
const [PICTURED, PICTURED_POINTS] = [64, 1024];
/** Half of the axes of plots, in the network's units, by how the normaliser was found. */
const AXES = { range: 1.1, percentiles: 1.5, moments: 2.5, factor: 2.5 } as const;
/** Channels of other data than colours are shown side by side, in grey, up to this many. */
const MOST_PANELS = 8;
/** Lines of a signal's plot, and places of each: longer signals are thinned out evenly. */
const [MOST_LINES, MOST_PLACES] = [6, 2048];
/** Shares of the values that are shown as black and as white if no range was declared. */
const [DARKEST, LIGHTEST] = [0.01, 0.99];

type GridSize = ImageSize & { readonly columns?: number };

/** Shows stored values as other images, as a decoder shows latents. */
export interface View {
  readonly size: Readonly<Record<"height" | "width" | "channels", number>>;
  readonly form: ValueForm;
  /** @param pieces [n, h, w, c] each @returns values of as many images as there are in all */
  show(pieces: readonly Values[]): Promise<Values>;
}

/** Returns how many images of a set its picture shows. Points, images of one pixel, are pictured together. */
export function picturedCount({ height, width }: ImageSize): number {
  return height * width === 1 ? PICTURED_POINTS : PICTURED;
}

/** Splits values [n, H, W, C] into those of each image. */
export function imagesIn<V extends Values>(values: V, size: ImageSize): V[] {
  const count = values.length / (size.height * size.width * size.channels);
  return Array.from({ length: count }, (_, i) => imageAt(values, i, size));
}

/**
 * Returns several images as one PNG, row by row. Images of height 1 are signals, plotted as lines; those of one pixel
 * are points, of which each column is one plot.
 * @param pieces values [n, H, W, C] each, in the order of the images
 */
export function gridPng(pieces: readonly Values[], size: GridSize, form: ValueForm = BYTES) {
  const { channels, columns } = size;
  const images = pieces.flatMap((piece) => imagesIn(piece, size));
  if (size.height === 1) {
    const [lines, step] = [Math.min(channels, MOST_LINES), Math.ceil(size.width / MOST_PLACES)];
    const drawn = images.map((image) =>
      Float32Array.from(
        { length: Math.ceil(size.width / step) * lines },
        (_, at) => image[Math.floor(at / lines) * step * channels + at % lines]!,
      )
    );
    const { how, scale, shift } = form.normalizer;
    const normalizer = { how, scale: scale.slice(0, lines), shift: shift.slice(0, lines) };
    const [numbers, least] = [toNumbers(drawn, { ...form, normalizer }), AXES[how]];
    const plots = size.width === 1 ? pointPlots(numbers, columns ?? 1, least) : linePlots(numbers, lines, least);
    return encodePng(imageGrid(plots.map(({ data }) => data), { ...plots[0]!, ...(columns && { columns }) }));
  }
  const bytes = images[0] instanceof Uint8Array ? images as readonly Uint8Array[] : toBytes(images, form);
  if (channels === 1 || channels === 3 || (channels === 4 && form.dtype !== "float32")) {
    return encodePng(imageGrid(bytes, size));
  }
  const panels = Math.min(channels, MOST_PANELS);
  const width = panels * size.width;
  const greys = bytes.map((image) => {
    const grey = new Uint8Array(size.height * width);
    for (let at = 0; at < grey.length; at++) {
      const [row, x] = [Math.floor(at / width), at % width];
      grey[at] = image[(row * size.width + x % size.width) * channels + Math.floor(x / size.width)]!;
    }
    return grey;
  });
  return encodePng(imageGrid(greys, { ...size, width, channels: 1 }));
}

/** Converts values to levels: a declared range is shown whole, other values between two of their quantiles. */
function toBytes(images: readonly Values[], form: ValueForm): Uint8Array[] {
  const numbers = toNumbers(images, form);
  let [low, high] = [-1, 1];
  if (!isBounded(form.normalizer)) {
    const sorted = Float64Array.from(numbers.flatMap((image) => [...image])).sort();
    [low, high] = [quantile(sorted, DARKEST), quantile(sorted, LIGHTEST)];
  }
  const scale = 255 / (high - low || 1);
  return numbers.map((image) =>
    Uint8Array.from(image, (x) => Math.min(255, Math.max(0, Math.round((x - low) * scale))))
  );
}

/** Converts values to those that networks see. */
function toNumbers(images: readonly Values[], { normalizer }: ValueForm): Float32Array[] {
  return images.map((image) => {
    const out = new Float32Array(image.length);
    normalize(image, out, normalizer);
    return out;
  });
}

/** Returns image `i` of values [N, H, W, C]. */
export function imageAt<V extends Values>(values: V, i: number, { height, width, channels }: ImageSize): V {
  const size = height * width * channels;
  return values.subarray(i * size, (i + 1) * size) as V;
}
