/** Grey square images, bytes, [N, side, side] row-major. */
export interface SquareImages {
  readonly pixels: Uint8Array<ArrayBuffer>;
  readonly side: number;
}

export type ResizeMode = "none" | "area" | "pad";

export function resizeModeOf(from: number, to: number): ResizeMode {
  if (to === from) return "none";
  return to < from ? "area" : "pad";
}

/** Bring images to another side: smaller by area average, larger by a border of zeros. */
export function resize(images: SquareImages, side: number): SquareImages {
  switch (resizeModeOf(images.side, side)) {
    case "none":
      return images;
    case "area":
      return { pixels: shrink(images, side), side };
    case "pad":
      return { pixels: pad(images, side), side };
  }
}

/**
 * Each new pixel is the mean over the square of old ones that it covers, rounded half up. Old pixels count by the exact
 * area of the overlap: in units of 1 / side, old pixel i spans [i side, (i + 1) side) and new pixel j spans
 * [j from, (j + 1) from), so that all weights, and with them all sums, are whole numbers.
 */
function shrink({ pixels, side: from }: SquareImages, side: number): Uint8Array<ArrayBuffer> {
  const count = pixels.length / (from * from);
  const spans = Array.from({ length: side }, (_, j) => overlaps(j, from, side));
  const out = new Uint8Array(count * side * side);
  const row = new Float64Array(from);
  const area = from * from;
  let next = 0;
  for (let image = 0; image < count; image++) {
    for (const vertical of spans) {
      row.fill(0);
      for (const [y, weight] of vertical) {
        const start = (image * from + y) * from;
        for (let x = 0; x < from; x++) row[x]! += weight * pixels[start + x]!;
      }
      for (const horizontal of spans) {
        let sum = 0;
        for (const [x, weight] of horizontal) sum += weight * row[x]!;
        out[next++] = Math.floor((2 * sum + area) / (2 * area));
      }
    }
  }
  return out;
}

/** Old pixels under new pixel j with the length of the overlap; the lengths add up to `from`. */
function overlaps(j: number, from: number, side: number): [index: number, weight: number][] {
  const [begin, end] = [j * from, (j + 1) * from];
  const found: [number, number][] = [];
  for (let i = Math.floor(begin / side); i * side < end; i++) {
    found.push([i, Math.min((i + 1) * side, end) - Math.max(i * side, begin)]);
  }
  return found;
}

function pad({ pixels, side: from }: SquareImages, side: number): Uint8Array<ArrayBuffer> {
  const count = pixels.length / (from * from);
  const border = Math.floor((side - from) / 2);
  const out = new Uint8Array(count * side * side);
  for (let image = 0; image < count; image++) {
    for (let y = 0; y < from; y++) {
      const start = (image * from + y) * from;
      out.set(pixels.subarray(start, start + from), (image * side + border + y) * side + border);
    }
  }
  return out;
}
