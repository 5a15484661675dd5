import { encodePng } from "../../science/formats/png_encoder.ts";
import { numbers } from "./inception.ts";

const [HEIGHT, WIDTH, COLOURS] = [24, 16, 3];
const ROW = WIDTH * COLOURS;
const SIZE = HEIGHT * ROW;

/** Returns the images that `images` in dev/fid/make_scores.py computes, [count, 24, 16, 3]. */
export function scoredImages(seed: number, count: number = 100): Uint8Array<ArrayBuffer> {
  const noise = numbers(seed, count * SIZE).map((value) => Math.floor((value + 0.5) * 256));
  return Uint8Array.from(noise, (value, i) => {
    const [image, y, x] = [i - i % SIZE, Math.floor(i % SIZE / ROW), i % ROW];
    const above = noise[image + (y + HEIGHT - 1) % HEIGHT * ROW + x]!;
    const left = noise[image + y * ROW + (x + ROW - COLOURS) % ROW]!;
    const smooth = Math.floor((value + above + left) / 3);
    return seed % 2 === 0 ? smooth : Math.floor(smooth * 3 / 4) + 20;
  });
}

/** Returns images as PNG files, by name. */
export function pngsOf(pixels: Uint8Array<ArrayBuffer>): [name: string, bytes: Uint8Array][] {
  return Array.from({ length: pixels.length / SIZE }, (_, i) => {
    const data = pixels.subarray(i * SIZE, (i + 1) * SIZE);
    return [`${String(i).padStart(3, "0")}.png`, encodePng({ width: WIDTH, height: HEIGHT, channels: COLOURS, data })];
  });
}
