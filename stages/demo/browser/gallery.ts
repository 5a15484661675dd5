/// <reference lib="dom" />
import type { ImageSize } from "../../../artifacts/facts.ts";
import type { Frame } from "./protocol.ts";

/** An image of bytes [H, W, C], as a canvas holds it: grey where it has not three channels. */
export function imageData(bytes: Uint8Array, { height, width, channels }: ImageSize): ImageData {
  const data = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) data.data[4 * i + c] = bytes[i * channels + (channels === 3 ? c : 0)]!;
    data.data[4 * i + 3] = 255;
  }
  return data;
}

const PARTS = `
  <div class="grid"></div>
  <div class="controls">
    <label class="wide">Step <output></output><input type="range" min="0"></label>
    <label>Shown<select>
      <option value="x0">the image as predicted</option>
      <option value="x">the image with its noise</option>
    </select></label>
    <a class="button">Save as PNG</a>
  </div>`;

export interface GalleryOptions {
  readonly size: ImageSize;
  /** What an image is, for people. */
  readonly nameOf: (image: number) => string;
  readonly onSelect: (image: number) => void;
}

/** Images that are drawn, each a button, with the film of how they came about. */
export class Gallery {
  #frames = new Map<number, Frame>();
  #canvases: HTMLCanvasElement[] = [];
  readonly #grid: HTMLElement;
  readonly #range: HTMLInputElement;
  readonly #shown: HTMLSelectElement;
  readonly #output: HTMLOutputElement;
  readonly #save: HTMLAnchorElement;

  constructor(private readonly root: HTMLElement, private readonly options: GalleryOptions) {
    root.innerHTML = PARTS;
    root.hidden = true;
    const find = <E extends Element>(selector: string) => root.querySelector<E>(selector)!;
    [this.#grid, this.#range, this.#shown] = [find(".grid"), find("input"), find("select")];
    [this.#output, this.#save] = [find("output"), find("a")];
    for (const control of [this.#range, this.#shown]) control.addEventListener("input", () => this.#show());
  }

  /** Begin anew. */
  start(count: number): void {
    this.root.hidden = false;
    this.#frames = new Map();
    this.#shown.value = "x0";
    const { height, width } = this.options.size;
    this.#canvases = Array.from(
      { length: count },
      () => Object.assign(document.createElement("canvas"), { height, width }),
    );
    this.#grid.replaceChildren(...this.#canvases.map((canvas, image) => {
      const button = document.createElement("button");
      button.setAttribute("aria-label", this.options.nameOf(image));
      button.title = this.options.nameOf(image);
      button.append(canvas);
      button.addEventListener("click", () => this.select(image));
      return button;
    }));
  }

  select(image: number): void {
    this.#canvases.forEach((canvas, i) => canvas.parentElement!.setAttribute("aria-pressed", `${i === image}`));
    this.options.onSelect(image);
  }

  /** What the images from `first` on are like now. */
  add(first: number, { done, total, x, x0 }: Frame): void {
    const { size } = this;
    const all = this.#canvases.length * size;
    const frame = this.#frames.get(done) ?? { done, total, x: new Uint8Array(all), x0: new Uint8Array(all) };
    frame.x.set(x, first * size);
    frame.x0.set(x0, first * size);
    this.#frames.set(done, frame);
    this.#range.max = `${this.#frames.size - 1}`;
    this.#range.value = this.#range.max;
    this.#show(first, x0.length / size);
  }

  /** Bytes [H, W, C] of an image at the end. */
  imageOf(image: number): Uint8Array<ArrayBuffer> {
    const last = this.#frames.get(Math.max(...this.#frames.keys()))!;
    return last.x0.slice(image * this.size, (image + 1) * this.size) as Uint8Array<ArrayBuffer>;
  }

  /** Put an image on another canvas of its size. */
  copy(image: number, canvas: HTMLCanvasElement): void {
    canvas.getContext("2d")!.putImageData(imageData(this.imageOf(image), this.options.size), 0, 0);
  }

  /** Numbers of an image. */
  get size(): number {
    const { height, width, channels } = this.options.size;
    return height * width * channels;
  }

  get #steps(): number[] {
    return [...this.#frames.keys()].sort((a, b) => a - b);
  }

  #show(first = 0, count = this.#canvases.length): void {
    const { size } = this;
    const frame = this.#frames.get(this.#steps[this.#range.valueAsNumber]!);
    if (frame === undefined) return;
    const bytes = frame[this.#shown.value as "x" | "x0"];
    for (let i = first; i < first + count; i++) {
      const image = imageData(bytes.subarray(i * size, (i + 1) * size), this.options.size);
      this.#canvases[i]!.getContext("2d")!.putImageData(image, 0, 0);
    }
    this.#output.textContent = `${frame.done} of ${frame.total}`;
  }

  /** Let what is shown now be saved. */
  end(): void {
    this.#save.download = "images.png";
    this.#save.href = this.#sheet();
  }

  #sheet(): string {
    const { height, width } = this.options.size;
    const columns = Math.ceil(Math.sqrt(this.#canvases.length));
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [columns * width, Math.ceil(this.#canvases.length / columns) * height];
    const context = sheet.getContext("2d")!;
    this.#canvases.forEach((canvas, i) =>
      context.drawImage(canvas, i % columns * width, Math.floor(i / columns) * height)
    );
    return sheet.toDataURL("image/png");
  }
}
