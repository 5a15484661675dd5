import type { DeepImage } from "../../science/formats/byte_image.ts";
import { cubic, resample, type Shares, weightsFor } from "../../science/pictures/resize.ts";
import type { DatasetParams, ResizeName } from "./params.ts";
import { cropCentre, flatten, mostOf, overlaps } from "./pixels.ts";

/** Height and width. */
type Size = readonly [height: number, width: number];

interface FitOptions extends Pick<DatasetParams, "resize"> {
  readonly channels: number;
  /** Undefined: images stay as large as they are. */
  readonly size?: Size | undefined;
}

/** Gives an image the channels and the size that a data set has. */
export function fitImage(image: DeepImage, { channels, size, resize }: FitOptions): DeepImage {
  const { name, fit = "crop" } = { fit: undefined, ...resize ?? { name: "bilinear" } };
  const flat = flatten(image, channels);
  if (size === undefined) return flat;
  if (name === "adm") return admCrop(flat, size);
  const [height, width] = size;
  const scales = [flat.height / height, flat.width / width] as const;
  if (fit === "stretch") return resizeImage(flat, size, name);
  if (fit === "pad") {
    const scale = Math.max(...scales);
    return cropCentre(resizeImage(flat, scaled(flat, 1 / scale), name), size);
  }
  const scale = Math.min(...scales);
  return resizeImage(cropCentre(flat, scaled({ height, width }, scale)), size, name);
}

/** Rounds as Python does, ties to even, and never to nothing. */
function scaled({ height, width }: { readonly height: number; readonly width: number }, scale: number): Size {
  const round = (x: number) => Math.max(1, Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
  return [round(height * scale), round(width * scale)];
}

/**
 * Dhariwal and Nichol's `center_crop_arr` (openai/guided-diffusion, image_datasets.py), which EDM, ADM and DiT use:
 * halved by a box filter while twice as large, resized by bicubic, and the middle of that cut out.
 */
function admCrop(image: DeepImage, size: Size): DeepImage {
  const longest = Math.max(...size);
  let halved = image;
  while (Math.min(halved.height, halved.width) >= 2 * longest) {
    halved = resizeImage(halved, [halved.height >> 1, halved.width >> 1], "box");
  }
  const scale = longest / Math.min(halved.height, halved.width);
  return cropCentre(resizeImage(halved, scaled(halved, scale), "bicubic"), size);
}

/** Resizes each channel for itself: Pillow's `resize`, which rounds to levels between the two axes; area does not. */
function resizeImage(image: DeepImage, size: Size, name: ResizeName): DeepImage {
  const { channels } = image;
  if (image.height === size[0] && image.width === size[1]) return image;
  const [down, across] = [sharesFor(image.height, size[0], name), sharesFor(image.width, size[1], name)];
  // Bilinear has never been rounded between the axes, and its bytes are in stores; shares that add up to 1 and have no
  // negative ones differ from Pillow by one level at most.
  const steps = name === "bilinear" || name === "area"
    ? [{ down, across }]
    : isColumnsFirst(image, size)
    ? [{ down, across: same(image.width) }, { down: same(size[0]), across }]
    : [{ down: same(image.height), across }, { down, across: same(size[1]) }];
  // Shares of area are integers, so that the average is exact.
  const whole = name === "area" ? image.height * image.width : 1;
  return steps.reduce((from, step) => {
    const levels = resample({ count: 1, ...from }, step);
    const most = mostOf(image);
    const data = image.data instanceof Uint16Array ? new Uint16Array(levels.length) : new Uint8Array(levels.length);
    for (let i = 0; i < data.length; i++) data[i] = Math.min(most, Math.max(0, Math.floor(levels[i]! / whole + 0.5)));
    return { width: step.across.length, height: step.down.length, channels, data };
  }, image);
}

/**
 * True where Pillow 13 resizes the columns before the rows, which gives other levels, since levels are rounded and cut
 * off in between. Pillow does not document the rule; 10,000 random sizes agree.
 */
function isColumnsFirst({ height, width }: DeepImage, [newHeight, newWidth]: Size): boolean {
  return height > newHeight && height - newHeight > 2 * (width - newWidth);
}

const same = (length: number): Shares[] => Array.from({ length }, (_, i) => [[i, 1]]);

/** Images come one by one, and most of them have the size of an earlier one. */
const known = new Map<string, Shares[]>();
const MOST_KNOWN = 256;

function sharesFor(from: number, to: number, name: ResizeName): Shares[] {
  if (known.size > MOST_KNOWN) known.clear();
  return known.getOrInsertComputed(`${name} ${from} ${to}`, () => computeShares(from, to, name));
}

function computeShares(from: number, to: number, name: ResizeName): Shares[] {
  if (name === "area") return Array.from({ length: to }, (_, j) => overlaps(j, from, to));
  if (from === to) return same(from);
  if (name === "bilinear") return weightsFor(from, to, { kernel: "bilinear", antialias: true });
  return pillowShares(from, to, name);
}

const sinc = (x: number) => x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
/** Pillow's filters (src/libImaging/Resample.c), with their reach in pixels. */
const FILTERS = {
  box: { reach: 0.5, shape: (x: number) => x > -0.5 && x <= 0.5 ? 1 : 0 },
  bicubic: { reach: 2, shape: cubic(-0.5) },
  lanczos: { reach: 3, shape: (x: number) => x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0 },
} as const;

/** Pillow's `precompute_coeffs`, in its order of operations: a box filter counts a pixel whole, or not at all. */
function pillowShares(from: number, to: number, name: keyof typeof FILTERS): Shares[] {
  const { reach, shape } = FILTERS[name];
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach * stretch + 0.5));
    const end = Math.min(from, Math.trunc(centre + reach * stretch + 0.5));
    const weights = Array.from({ length: end - first }, (_, k) => shape((k + first - centre + 0.5) * (1 / stretch)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return weights.map((weight, k) => [first + k, weight / total] as const);
  });
}
