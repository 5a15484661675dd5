/// <reference lib="dom" />
import type { ImageSize } from "../../../artifacts/facts.ts";
import { imageData } from "./gallery.ts";

/** Pixels of the canvas along the longer side, about. */
const EXTENT = 384;

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

/** A part of an image, painted by a pointer, or by arrows and space. */
export class Mask {
  /** Bytes [H, W, C] of what is painted on. */
  image: Uint8Array<ArrayBuffer> = new Uint8Array();
  readonly #painted: Uint8Array<ArrayBuffer>;
  readonly #scale: number;
  #row = 0;
  #column = 0;
  /** Whether the pointer paints, or takes away. */
  #paints = true;

  /** @param brush how many pixels are painted at a time, each way @param said told where the keys are */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly size: ImageSize,
    private readonly brush: HTMLInputElement,
    private readonly said: HTMLElement,
  ) {
    const { height, width } = size;
    this.#painted = new Uint8Array(height * width);
    this.#scale = Math.max(1, Math.floor(EXTENT / Math.max(height, width)));
    [canvas.width, canvas.height] = [width * this.#scale, height * this.#scale];
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#moveTo(event);
      this.#paints = !this.#isPainted;
      this.#paint();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons === 0) return;
      this.#moveTo(event);
      this.#paint();
    });
    canvas.addEventListener("keydown", (event) => {
      const [down, right] = ARROWS[event.key] ?? [];
      if (down === undefined && event.key !== " ") return;
      event.preventDefault();
      if (down === undefined) this.#paints = !this.#isPainted;
      else {
        this.#row = Math.min(height - 1, Math.max(0, this.#row + down));
        this.#column = Math.min(width - 1, Math.max(0, this.#column + right!));
      }
      if (down === undefined || event.shiftKey) this.#paint();
      this.#show();
      this.said.textContent = `Row ${this.#row + 1}, column ${this.#column + 1}${this.#isPainted ? ", painted" : ""}`;
    });
    for (const event of ["focus", "blur"]) canvas.addEventListener(event, () => this.#show());
  }

  /** Begin on another image, or anew. @param image bytes [H, W, C] */
  start(image = this.image): void {
    this.image = image;
    this.#painted.fill(0);
    this.#show();
  }

  /** For each number [H, W, C] whether it is kept: 1, or 0 where it is painted. Undefined where nothing is painted. */
  get kept(): Uint8Array<ArrayBuffer> | undefined {
    if (!this.#painted.includes(1)) return undefined;
    const { channels } = this.size;
    return Uint8Array.from(
      { length: this.#painted.length * channels },
      (_, i) => 1 - this.#painted[Math.floor(i / channels)]!,
    );
  }

  get #isPainted(): boolean {
    return this.#painted[this.#row * this.size.width + this.#column] === 1;
  }

  #moveTo({ offsetX, offsetY }: PointerEvent): void {
    const { height, width } = this.size;
    const { clientWidth, clientHeight } = this.canvas;
    this.#row = Math.min(height - 1, Math.max(0, Math.floor(offsetY / clientHeight * height)));
    this.#column = Math.min(width - 1, Math.max(0, Math.floor(offsetX / clientWidth * width)));
  }

  #paint(): void {
    const { height, width } = this.size;
    const brush = this.brush.valueAsNumber;
    const [top, left] = [this.#row, this.#column].map((at) => at - Math.floor((brush - 1) / 2)) as [number, number];
    for (let row = Math.max(0, top); row < Math.min(height, top + brush); row++) {
      for (let column = Math.max(0, left); column < Math.min(width, left + brush); column++) {
        this.#painted[row * width + column] = this.#paints ? 1 : 0;
      }
    }
    this.#show();
  }

  #show(): void {
    const { height, width } = this.size;
    const [context, scale] = [this.canvas.getContext("2d")!, this.#scale];
    const small = new OffscreenCanvas(width, height);
    small.getContext("2d")!.putImageData(imageData(this.image, this.size), 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, this.canvas.width, this.canvas.height);
    context.fillStyle = "rgb(235 94 40 / 70%)";
    this.#painted.forEach((painted, i) => {
      if (painted === 1) context.fillRect(i % width * scale, Math.floor(i / width) * scale, scale, scale);
    });
    if (document.activeElement !== this.canvas) return;
    context.strokeStyle = "#3b82f6";
    context.lineWidth = Math.max(2, scale / 8);
    context.strokeRect(this.#column * scale, this.#row * scale, scale, scale);
  }
}
