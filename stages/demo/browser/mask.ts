/// <reference lib="dom" />
import type { ImageSize } from "../../../artifacts/facts.ts";
import { imageData } from "./gallery.ts";
import type { Frame } from "./protocol.ts";

/** The move that each arrow key makes, in rows and columns. */
const ARROWS: Record<string, number[]> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};
const PAINTED = [235, 94, 40];
const CURSOR = [59, 130, 246];

/**
 * Makes an editor for a mask: part of an image, painted with a pointer, or with arrow keys and space.
 * @param said shows the cursor's position
 */
export function makeMask(canvas: HTMLCanvasElement, brush: HTMLInputElement, said: HTMLElement, size: ImageSize) {
  const { height, width, channels } = size;
  const painted = new Uint8Array(height * width);
  let shown: Pick<Frame, "x0" | "latents"> = { x0: new Uint8Array(height * width * channels) };
  let [row, column, paints] = [0, 0, true];
  [canvas.height, canvas.width] = [height, width];
  const show = () => {
    const picture = imageData(shown.x0, size);
    painted.forEach((is, i) => {
      const atCursor = i === row * width + column && document.activeElement === canvas;
      const colour = atCursor ? CURSOR : is ? PAINTED : [];
      colour.forEach((value, c) => picture.data[4 * i + c] = 0.3 * picture.data[4 * i + c]! + 0.7 * value);
    });
    canvas.getContext("2d")!.putImageData(picture, 0, 0);
  };
  const moveTo = (toRow: number, toColumn: number) => {
    row = Math.min(height - 1, Math.max(0, Math.floor(toRow)));
    column = Math.min(width - 1, Math.max(0, Math.floor(toColumn)));
  };
  const isPainted = () => painted[row * width + column] === 1;
  const paint = () => {
    const isNear = (a: number, b: number) => Math.abs(a - b) < brush.valueAsNumber / 2;
    for (let i = 0; i < painted.length; i++) {
      if (isNear(Math.floor(i / width), row) && isNear(i % width, column)) painted[i] = paints ? 1 : 0;
    }
  };
  const tell = () => {
    said.textContent = `Row ${row + 1}, column ${column + 1}${isPainted() ? ", marked" : ""}`;
    show();
  };
  canvas.onpointerdown = canvas.onpointermove = ({ buttons, type, offsetX, offsetY, pointerId }) => {
    if (buttons === 0) return;
    const from = [row, column] as const;
    moveTo(offsetY / canvas.clientHeight * height, offsetX / canvas.clientWidth * width);
    if (type === "pointerdown") {
      canvas.setPointerCapture(pointerId);
      paints = !isPainted();
      paint();
    }
    // A fast pointer skips pixels: the brush goes along the line to the place where it is now.
    const to = [row, column] as const;
    const far = Math.max(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]));
    for (let i = 1; type === "pointermove" && i <= far; i++) {
      moveTo(from[0] + 0.5 + (to[0] - from[0]) * i / far, from[1] + 0.5 + (to[1] - from[1]) * i / far);
      paint();
    }
    tell();
  };
  canvas.onkeydown = (event) => {
    const arrow = ARROWS[event.key];
    if (arrow === undefined && event.key !== " ") return;
    event.preventDefault();
    if (arrow === undefined) paints = !isPainted();
    else moveTo(row + arrow[0]!, column + arrow[1]!);
    if (arrow === undefined || event.shiftKey) paint();
    tell();
  };
  canvas.onfocus = canvas.onblur = show;
  return {
    /** Clears the mask, and shows another image if one is given. */
    start(on = shown): void {
      shown = on;
      painted.fill(0);
      show();
    },
    /** Returns the image and a mask of its numbers: 1 for kept, 0 for painted. Undefined if nothing is painted. */
    read() {
      if (!painted.includes(1)) return undefined;
      const { x0, latents } = shown;
      return { image: latents ?? x0, kept: x0.map((_, i) => 1 - painted[Math.floor(i / channels)]!) };
    },
  };
}
