import type { ByteImage } from "../formats/byte_image.ts";

/** Plots of data that is no image, as pixels: pictures of it lie in grids and strips as those of images do. */

/** Blue, vermillion, bluish green, reddish purple, orange and sky blue of Okabe & Ito 2008: distinct to all eyes. */
const COLORS = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233]] as const;
const [BACKGROUND, ZERO_LINE] = [246, [205, 205, 205]] as const;
const [POINT_RADIUS, LINE_RADIUS] = [1.1, 0.6];
/** Height of a plot of lines, and its least and its most width. */
const [LINES_HEIGHT, LEAST_WIDTH, MOST_WIDTH] = [80, 128, 512];
/** Side of a plot of points: one alone, and one of several. */
const [SQUARE, SMALL_SQUARE] = [384, 192];
/** Pixels between the edge of a plot and the end of its axes. */
const MARGIN = 3;
/** Share of the numbers that lie within the axes. */
const WITHIN = 0.995;

type Place = readonly [x: number, y: number];

/** Returns an empty plot with lines at zero. */
function openPlot(width: number, height: number, zeros: readonly ("x" | "y")[]) {
  const data = new Uint8Array(height * width * 3).fill(BACKGROUND);
  const along = (x: number, side: number) => MARGIN + (Math.min(1, Math.max(-1, x)) + 1) / 2 * (side - 1 - 2 * MARGIN);
  /** Returns the pixel of coordinates in [-1, 1]; what lies outside is shown at the edge. */
  const place = (x: number, y: number): Place => [along(x, width), along(-y, height)];
  /** Covers each pixel by how near its centre lies to the segment from one place to the other. */
  const stroke = ([x0, y0]: Place, [x1, y1]: Place, radius: number, color: readonly number[]) => {
    const [dx, dy, reach] = [x1 - x0, y1 - y0, radius + 0.5];
    const length = dx * dx + dy * dy;
    const first = (a: number, b: number) => Math.max(0, Math.ceil(Math.min(a, b) - reach));
    const last = (a: number, b: number, side: number) => Math.min(side - 1, Math.floor(Math.max(a, b) + reach));
    for (let y = first(y0, y1); y <= last(y0, y1, height); y++) {
      for (let x = first(x0, x1); x <= last(x0, x1, width); x++) {
        const part = Math.min(1, Math.max(0, length === 0 ? 0 : ((x - x0) * dx + (y - y0) * dy) / length));
        const cover = Math.min(1, reach - Math.hypot(x - x0 - part * dx, y - y0 - part * dy));
        for (let c = 0; c < 3 && cover > 0; c++) {
          const at = (y * width + x) * 3 + c;
          data[at] = Math.round(data[at]! + cover * (color[c]! - data[at]!));
        }
      }
    }
  };
  if (zeros.includes("y")) stroke(place(-1, 0), place(1, 0), 0.5, ZERO_LINE);
  if (zeros.includes("x")) stroke(place(0, -1), place(0, 1), 0.5, ZERO_LINE);
  return { width, height, channels: 3, data, place, stroke };
}

/** Returns the size of half an axis: at least `least`, so that pictures of the same data can be compared. */
function halfAxis(items: readonly Float32Array[], least: number): number {
  const sizes = Float64Array.from(items.flatMap((item) => [...item.map(Math.abs)])).sort();
  return Math.max(least, sizes[Math.ceil(WITHIN * sizes.length) - 1] ?? 0);
}

/**
 * Draws each signal as a plot of its own, with one line for each channel.
 * @param signals [L, C] each @param least half of the axis of values, if few values lie outside it
 */
export function linePlots(signals: readonly Float32Array[], channels: number, least: number): ByteImage[] {
  const half = halfAxis(signals, least);
  return signals.map((signal) => {
    const length = signal.length / channels;
    const plot = openPlot(Math.min(MOST_WIDTH, Math.max(LEAST_WIDTH, length)), LINES_HEIGHT, ["y"]);
    for (let at = 0; at < signal.length; at++) {
      const [i, c] = [Math.floor(at / channels), at % channels];
      const place = (i: number) => plot.place(2 * i / (length - 1) - 1, signal[i * channels + c]! / half);
      plot.stroke(place(Math.max(0, i - 1)), place(i), LINE_RADIUS, COLORS[c % COLORS.length]!);
    }
    return plot;
  });
}

/**
 * Draws points by their first two dimensions; points of one dimension by their value and their number in the set.
 * @param points [D] each @param columns points are dealt to this many plots in turn
 * @param least half of each axis, if few numbers lie outside it
 */
export function pointPlots(points: readonly Float32Array[], columns: number, least: number): ByteImage[] {
  const half = halfAxis(points.map((point) => point.subarray(0, 2)), least);
  const flat = points[0]?.length === 1;
  const side = columns === 1 ? SQUARE : SMALL_SQUARE;
  const plots = Array.from({ length: columns }, () => openPlot(side, side, flat ? ["x"] : ["x", "y"]));
  points.forEach((point, i) => {
    const plot = plots[i % columns]!;
    const place = plot.place(point[0]! / half, flat ? 2 * i / points.length - 1 : point[1]! / half);
    plot.stroke(place, place, POINT_RADIUS, COLORS[0]);
  });
  return plots;
}
