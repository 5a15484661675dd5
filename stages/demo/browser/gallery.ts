/// <reference lib="dom" />
import type { ImageSize } from "../../../artifacts/facts.ts";
import type { Frame } from "./protocol.ts";

/** Converts an image of bytes [H, W, C] to `ImageData`: RGB with or without alpha, else its first channel as grey. */
export function imageData(bytes: Uint8Array, { height, width, channels }: ImageSize): ImageData {
  const image = new ImageData(width, height);
  for (let i = 0; i < image.data.length; i++) {
    const channel = channels === 3 || channels === 4 ? i % 4 : i % 4 === 3 ? channels : 0;
    image.data[i] = channel === channels ? 255 : bytes[Math.floor(i / 4) * channels + channel]!;
  }
  return image;
}

/** Shows an image on a canvas. */
export function paint(canvas: HTMLCanvasElement, bytes: Uint8Array, size: ImageSize): void {
  [canvas.height, canvas.width] = [size.height, size.width];
  canvas.getContext("2d")!.putImageData(imageData(bytes, size), 0, 0);
}

const PARTS = `<div class="grid"></div><div class="controls">
  <label class="wide"><span>Step <b></b></span><input type="range" min="0"></label>
  <label>Shown<select><option value="x0">the predicted image<option value="x">the noisy image</select></label>
  <a class="button" download="image.png" href="#">Save as PNG</a></div>`;

/** Shows sampled images, each as a button, with a slider over the steps of their sampling. */
export function makeGallery(
  root: HTMLElement,
  size: ImageSize,
  nameOf: (image: number) => string,
  onSelect: (end: Frame, image: number) => void,
) {
  root.innerHTML = PARTS;
  root.hidden = true;
  const find = <E extends Element>(name: string) => root.querySelector<E>(name)!;
  const [grid, range, shown] = [find("div"), find<HTMLInputElement>("input"), find<HTMLSelectElement>("select")];
  let canvases: HTMLCanvasElement[] = [];
  /** The frames of each image, from noise to the end. */
  let films: Frame[][] = [];
  const show = () =>
    canvases.forEach((canvas, i) => {
      const frame = films[i]?.[Math.min(range.valueAsNumber, films[i].length - 1)];
      if (frame === undefined) return;
      paint(canvas, frame[shown.value as "x" | "x0"], size);
      find("b").textContent = `${frame.done} of ${frame.total}`;
    });
  range.oninput = shown.oninput = show;
  const link = find<HTMLAnchorElement>("a");
  // The selected image, or the first.
  link.onclick = () =>
    link.href = (grid.querySelector<HTMLCanvasElement>("[aria-pressed=true] canvas") ?? canvases[0])!.toDataURL();
  const select = (image: number) => {
    const end = films[image]?.at(-1);
    if (end === undefined) return;
    canvases.forEach((canvas, i) => canvas.parentElement!.setAttribute("aria-pressed", `${i === image}`));
    onSelect(end, image);
  };

  return {
    select,
    /** Starts over with `count` empty images. */
    start(count: number): void {
      root.hidden = false;
      [range.max, shown.value, films] = ["0", "x0", []];
      canvases = Array.from({ length: count }, () => document.createElement("canvas"));
      grid.replaceChildren(...canvases.map((canvas, image) => {
        const button = Object.assign(document.createElement("button"), { type: "button", title: nameOf(image) });
        button.onclick = () => select(image);
        button.append(canvas);
        return button;
      }));
    },
    /** Adds a frame for the images from `first` on. @returns the share of all the work that is done */
    add(first: number, { done, total, x, x0, latents }: Frame): number {
      const count = x.length / (size.height * size.width * size.channels);
      for (let i = 0; i < count; i++) {
        const film = films[first + i] = done === 0 ? [] : films[first + i] ?? [];
        const own = <A extends Uint8Array<ArrayBuffer> | Float32Array>(all: A) =>
          all.subarray(i * all.length / count, (i + 1) * all.length / count) as A;
        film.push({ done, total, x: own(x), x0: own(x0), ...(latents && { latents: own(latents) }) });
        range.max = `${Math.max(Number(range.max), film.length - 1)}`;
      }
      range.value = range.max;
      show();
      return films.reduce((sum, film) => sum + film.at(-1)!.done, 0) / total / canvases.length;
    },
  };
}
