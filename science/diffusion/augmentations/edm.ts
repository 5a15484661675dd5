import { z } from "zod";
import { defineAugmentation } from "../define.ts";
import { flipped, type Picture, reflected, resampled } from "./pixels.ts";

/** An affine map of the plane: [x, y] to [a x + b y + c, d x + e y + f]. */
type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** Standard deviations in Karras et al. 2022, table 6: of binary logarithms, and of shifts as fractions of the side. */
const [SCALE, STRETCH, SHIFT] = [0.2, 0.2, 0.125];

/** The low-pass filter of the wavelet sym6 (Daubechies 1992, table 6.3), which halves and doubles resolutions. */
// deno-fmt-ignore
const FILTER = [
  0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
  0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
  0.0017677118642428036, -0.007800708325034148,
];
/** Pixels beyond an edge that the filter reads. */
const REACH = FILTER.length / 4;

/**
 * The augmentation of Karras et al. 2022 (arXiv 2206.00364, appendix F.2; NVlabs/edm, `train.py`): flips, and the
 * geometric changes of Karras et al. 2020, each of which happens with a small probability. The network is told.
 */
export default defineAugmentation({
  params: z.strictObject({
    probability: z.number().min(0).max(1).default(0.12).describe("Probability of each change but the mirror image"),
  }).describe("The augmentation of EDM: flips, scale, turn, stretch, shift"),
  conditions: () => 9,
  augment({ random, ...picture }, { probability }) {
    const { height, width, channels } = picture;
    const drawn = (value: number, of = probability) => random.uniform() < of ? value : 0;
    const angle = () => (2 * random.uniform() - 1) * Math.PI;
    const mirror = drawn(random.integer(2), 1);
    const upset = drawn(random.integer(2));
    const scale = drawn(random.normal());
    const turn = drawn(angle());
    const [stretch, along] = [random.normal(), angle()];
    const [stretched, direction] = [drawn(stretch), drawn(along, 0.5)];
    const shift = [random.normal(), random.normal()] as const;
    const [x, y] = random.uniform() < probability ? shift : [0, 0];

    let image = flipped(picture, { mirrored: mirror === 1, upset: upset === 1 });
    const [size, longer] = [2 ** (-scale * SCALE), 2 ** (-stretched * STRETCH)];
    // From places in the changed image to places in the given one, both from the centre.
    const changes: Affine[] = [
      [size, 0, 0, 0, size, 0],
      rotation(turn),
      rotation(-direction),
      [longer, 0, 0, 0, 1 / longer, 0],
      rotation(direction),
      [1, 0, -x * width * SHIFT, 0, 1, -y * height * SHIFT],
    ];
    // The filters undo each other, so that an image that does not change need not go through them.
    if (scale !== 0 || turn !== 0 || stretched !== 0 || x !== 0 || y !== 0) {
      image = warped({ image, height, width, channels }, changes.reduce(product));
    }
    const told = [scale, Math.cos(turn) - 1, Math.sin(turn), stretched * Math.cos(direction)];
    return { image, condition: [mirror, upset, ...told, stretched * Math.sin(direction), x, y] };
  },
});

function rotation(angle: number): Affine {
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  return [cosine, -sine, 0, sine, cosine, 0];
}

/** Returns the map that applies `second` first. */
function product([a, b, c, d, e, f]: Affine, second: Affine): Affine {
  const [g, h, i, j, k, l] = second;
  return [a * g + b * j, a * h + b * k, a * i + b * l + c, d * g + e * j, d * h + e * k, d * i + e * l + f];
}

/** Warps an image at twice its resolution (Karras et al. 2020, appendix B), with edges that mirror. */
function warped(picture: Picture, map: Affine): Float32Array<ArrayBuffer> {
  const { height, width } = picture;
  const [a, b, c, d, e, f] = map;
  const [halfX, halfY] = [(width - 1) / 2, (height - 1) / 2];
  // Only as far beyond an edge as is read there, and less than a mirror image of the whole.
  const margins = (half: number, spread: number, shift: number) =>
    [-shift, shift].map((by) => Math.ceil(Math.min(2 * half, Math.max(0, spread + by + 2 * REACH - half))));
  const [left = 0, right = 0] = margins(halfX, Math.abs(a) * halfX + Math.abs(b) * halfY, c);
  const [top = 0, bottom = 0] = margins(halfY, Math.abs(d) * halfX + Math.abs(e) * halfY, f);

  const padded = resampled(
    picture,
    { height: height + top + bottom, width: width + left + right },
    (x, y) => [reflected(x - left, width), reflected(y - top, height)],
  );
  const fine = transposed(doubled(transposed(doubled(padded))));
  // Places are counted from the centre in pixels of the image, and in the arrays by index at twice the resolution.
  const size = { height: 2 * (height + 2 * REACH), width: 2 * (width + 2 * REACH) };
  const turned = resampled(fine, size, (column, row) => {
    const [x, y] = [(column + 1 - size.width / 2) / 2, (row + 1 - size.height / 2) / 2];
    return [
      2 * (a * x + b * y + c + (left - right) / 2) + fine.width / 2 - 1,
      2 * (d * x + e * y + f + (top - bottom) / 2) + fine.height / 2 - 1,
    ];
  });
  return transposed(halved(transposed(halved(turned)))).image;
}

/** Doubles the width: each pixel is followed by a 0, and filtered. */
function doubled(picture: Picture): Picture {
  return filtered(picture, 2 * picture.width, (x, tap) => (x + FILTER.length / 2 - 1 - tap) / 2);
}

/** Halves the width, and cuts off what the filter has spread beyond the edges. */
function halved(picture: Picture): Picture {
  const width = picture.width / 2 - 2 * REACH;
  return filtered(picture, width, (x, tap) => 2 * (x + REACH) + tap - FILTER.length / 2 + 1);
}

/** @param from where a pixel of the output reads a tap of the filter; between pixels, and outside, are zeros */
function filtered(
  { image, height, width, channels }: Picture,
  wanted: number,
  from: (x: number, tap: number) => number,
): Picture {
  const out = new Float32Array(height * wanted * channels);
  for (let x = 0; x < wanted; x++) {
    for (const [tap, weight] of FILTER.entries()) {
      const at = from(x, tap);
      if (!Number.isInteger(at) || at < 0 || at >= width) continue;
      for (let row = 0; row < height; row++) {
        const [to, start] = [(row * wanted + x) * channels, (row * width + at) * channels];
        for (let i = 0; i < channels; i++) out[to + i]! += weight * image[start + i]!;
      }
    }
  }
  return { image: out, height, width: wanted, channels };
}

function transposed(picture: Picture): Picture {
  const { height, width } = picture;
  return resampled(picture, { height: width, width: height }, (x, y) => [y, x]);
}
