import type { InpaintParams } from "./params.ts";
import type { ImageSize } from "../../artifacts/facts.ts";

/** For each number of an image whether it is kept, [H, W, C] row-major: 1, or 0 where it is painted anew. */
export function keptPixels(region: InpaintParams["region"], { height, width, channels }: ImageSize): Uint8Array {
  const [middleY, middleX] = [height / 2, width / 2];
  const painted: Record<InpaintParams["region"], (y: number, x: number) => boolean> = {
    center: (y, x) => Math.abs(y - middleY) < height / 4 && Math.abs(x - middleX) < width / 4,
    left: (_, x) => x < middleX,
    right: (_, x) => x > middleX,
    top: (y) => y < middleY,
    bottom: (y) => y > middleY,
  };
  return Uint8Array.from({ length: height * width * channels }, (_, i) => {
    const pixel = Math.floor(i / channels);
    // Of the middle of a pixel, so that halves of odd sizes are as even as they can be.
    return painted[region](Math.floor(pixel / width) + 0.5, pixel % width + 0.5) ? 0 : 1;
  });
}
