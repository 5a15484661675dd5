/** Stored values of images, [N, H, W, C] row-major. */
export interface ImageValues {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: ArrayLike<number>;
}

/** Interpolation between pixels. */
export type ResizeKernel = "bilinear" | "bicubic";

/** The positions of pixels: PyTorch and Pillow measure from the centre of each pixel, TensorFlow 1 from its corner. */
export type Centres = "half-pixel" | "corner";

export interface ResizeOptions {
  readonly kernel: ResizeKernel;
  /** Widen the kernel when shrinking, as Pillow and torchvision's `antialias=True` do. */
  readonly antialias: boolean;
}

/**
 * Resizes images to `size` x `size` with half-pixel centres, in float64, without rounding to bytes on the way. Outside
 * the image, positions are left out (antialiased) or take the nearest pixel (not antialiased).
 *
 * bilinear, not antialiased: `interpolate(mode="bilinear", align_corners=False)` of PyTorch, which pytorch-fid uses.
 * bicubic, antialiased: Pillow's, which clean-fid uses (a = -0.5). bicubic, not antialiased: PyTorch's (a = -0.75).
 *
 * @returns [N, size, size, C] row-major
 */
export function resizeImages(images: ImageValues, size: number, options: ResizeOptions): Float64Array {
  const [down, across] = [images.height, images.width].map((from) => weightsFor(from, size, options));
  return resample(images, { down: down!, across: across! });
}

/** The source pixels of one new pixel, with their shares. */
export type Shares = readonly (readonly [source: number, share: number])[];

/** Computes new images from the shares of each new row and column. */
export function resample(
  { count, height, width, channels, data }: ImageValues,
  { down, across }: { readonly down: readonly Shares[]; readonly across: readonly Shares[] },
): Float64Array {
  const row = across.length * channels;
  const out = new Float64Array(count * down.length * row);
  const narrow = new Float64Array(height * row);
  const [rows, columns] = [linksOf(down, row), linksOf(across, channels)];
  for (let image = 0; image < count; image++) {
    narrow.fill(0);
    for (let y = 0; y < height; y++) {
      const [from, to] = [(image * height + y) * width * channels, y * row];
      for (let link = 0; link < columns.shares.length; link++) {
        const [target, source] = [to + columns.targets[link]!, from + columns.sources[link]!];
        const share = columns.shares[link]!;
        for (let c = 0; c < channels; c++) narrow[target + c]! += share * data[source + c]!;
      }
    }
    for (let link = 0; link < rows.shares.length; link++) {
      const [to, source] = [image * down.length * row + rows.targets[link]!, rows.sources[link]!];
      const share = rows.shares[link]!;
      for (let i = 0; i < row; i++) out[to + i]! += share * narrow[source + i]!;
    }
  }
  return out;
}

/** Flattens shares into offsets in memory: lists that are fast to walk. @param size numbers in one row or pixel */
function linksOf(all: readonly Shares[], size: number) {
  const links = all.flatMap((shares, to) => shares.map((share) => [to, ...share] as const));
  return {
    targets: Int32Array.from(links, ([to]) => to * size),
    sources: Int32Array.from(links, ([, source]) => source * size),
    shares: Float64Array.from(links, ([, , share]) => share),
  };
}

/** Returns the resizing of `from` pixels in a row as a matrix. @returns [to, from] row-major */
export function resizeMatrix(
  from: number,
  to: number,
  { centres, ...options }: ResizeOptions & { readonly centres: Centres },
): Float32Array<ArrayBuffer> {
  const matrix = new Float32Array(to * from);
  weightsFor(from, to, options, centres).forEach((shares, row) => {
    for (const [source, weight] of shares) matrix[row * from + source] = weight;
  });
  return matrix;
}

/** Returns the shares of each of `to` new pixels. */
export function weightsFor(
  from: number,
  to: number,
  { kernel, antialias }: ResizeOptions,
  centres: Centres = "half-pixel",
): Shares[] {
  const scale = from / to;
  const stretch = antialias ? Math.max(1, scale) : 1;
  const reach = stretch * (kernel === "bilinear" ? 1 : 2);
  const shape = kernel === "bilinear" ? (x: number) => Math.max(0, 1 - Math.abs(x)) : cubic(antialias ? -0.5 : -0.75);
  return Array.from({ length: to }, (_, i) => {
    const middle = centres === "corner" ? 0 : 0.5;
    const centre = (i + middle) * scale - middle;
    const shares = new Map<number, number>();
    for (let source = Math.ceil(centre - reach); source <= Math.floor(centre + reach); source++) {
      const weight = shape((source - centre) / stretch);
      if (weight === 0 || (antialias && (source < 0 || source >= from))) continue;
      const inside = Math.min(Math.max(source, 0), from - 1);
      shares.set(inside, (shares.get(inside) ?? 0) + weight);
    }
    const total = [...shares.values()].reduce((sum, weight) => sum + weight, 0);
    return [...shares].map(([source, weight]) => [source, weight / total]);
  });
}

/** Keys' cubic convolution. */
export function cubic(a: number): (x: number) => number {
  return (signed) => {
    const x = Math.abs(signed);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    return 0;
  };
}
