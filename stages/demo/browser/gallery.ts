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
function paint(canvas: HTMLCanvasElement, bytes: Uint8Array, size: ImageSize): void {
  [canvas.height, canvas.width] = [size.height, size.width];
  canvas.getContext("2d")!.putImageData(imageData(bytes, size), 0, 0);
}

const PARTS = `<div class="grid"></div><canvas class="large" role="img" hidden></canvas><div class="controls">
  <button type="button" class="button">Play</button>
  <label class="wide"><span><b></b></span><input type="range" min="0"></label>
  <label>Shown<select><option value="x0">predicted image<option value="x">noisy image</select></label>
  <a class="button" download="image.png" href="#">Save as PNG</a></div>`;

/** The time that a film takes, and the least that each of its images is shown. */
const FILM_MS = 2500;
const LEAST_MS = 50;

const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * Shows sampled images, each as a button, with a film that a slider and a button move: of their sampling, from noise to
 * image, or with `along` from one image to the next.
 */
export function makeGallery(
  root: HTMLElement,
  { size, nameOf, captionOf = () => undefined, along = false, onSelect = () => {} }: {
    readonly size: ImageSize;
    readonly nameOf: (image: number) => string;
    readonly captionOf?: (image: number) => string | undefined;
    readonly along?: boolean;
    readonly onSelect?: (end: Frame, image: number) => void;
  },
) {
  root.innerHTML = PARTS;
  root.hidden = true;
  const find = <E extends Element>(name: string) => root.querySelector<E>(name)!;
  const [grid, large] = [find<HTMLElement>("div"), find<HTMLCanvasElement>("canvas")];
  const [range, link] = [find<HTMLInputElement>("input"), find<HTMLAnchorElement>("a")];
  const [play, shown] = [find<HTMLButtonElement>("button"), find<HTMLSelectElement>("select")];
  shown.parentElement!.hidden = along;
  let canvases: HTMLCanvasElement[] = [];
  /** The frames of each image, from noise to the end. */
  let films: Frame[][] = [];
  let playing: ReturnType<typeof setInterval> | undefined;
  const show = () =>
    canvases.forEach((canvas, i) => {
      const last = (films[i]?.length ?? 0) - 1;
      const frame = films[i]?.[along ? last : Math.min(range.valueAsNumber, last)];
      if (frame === undefined) return;
      paint(canvas, frame[shown.value as "x" | "x0"], size);
      if (!along) find("b").textContent = `Noise to image: step ${frame.done} of ${frame.total}`;
    });
  const select = (image: number) => {
    const end = films[image]?.at(-1);
    if (end === undefined) return;
    canvases.forEach((canvas, i) => canvas.parentElement!.setAttribute("aria-pressed", `${i === image}`));
    if (along) {
      [range.valueAsNumber, large.hidden, large.ariaLabel] = [image, false, nameOf(image)];
      find("b").textContent = nameOf(image);
      paint(large, end.x0, size);
    }
    onSelect(end, image);
  };
  const pause = () => {
    clearInterval(playing);
    [playing, play.textContent] = [undefined, "Play"];
  };
  const move = () => along ? select(range.valueAsNumber) : show();
  range.oninput = () => (pause(), move());
  shown.oninput = show;
  play.onclick = () => {
    if (playing !== undefined) return pause();
    if (range.value === range.max) range.value = "0";
    play.textContent = "Pause";
    move();
    playing = setInterval(() => {
      range.stepUp();
      move();
      if (range.value === range.max) pause();
    }, Math.max(LEAST_MS, FILM_MS / (Number(range.max) + 1)));
  };
  // The selected image, or the first.
  link.onclick = () =>
    link.href = (grid.querySelector<HTMLCanvasElement>("[aria-pressed=true] canvas") ?? canvases[0])!.toDataURL();

  return {
    select,
    /** Starts over with `count` empty images. */
    start(count: number): void {
      pause();
      [root.hidden, large.hidden] = [false, true];
      [range.max, shown.value, films] = [along ? `${count - 1}` : "0", "x0", []];
      canvases = Array.from({ length: count }, () => document.createElement("canvas"));
      grid.style.setProperty("--columns", `${Math.min(8, Math.ceil(Math.sqrt(count)))}`);
      grid.replaceChildren(...canvases.map((canvas, image) => {
        const button = Object.assign(document.createElement("button"), { type: "button", title: nameOf(image) });
        [canvas.height, canvas.width] = [size.height, size.width];
        button.onclick = () => select(image);
        button.append(canvas, captionOf(image) ?? "");
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
        if (!along) range.max = range.value = `${Math.max(Number(range.max), film.length - 1)}`;
      }
      if (done === total || !isStill()) show();
      return films.reduce((sum, film) => sum + film.at(-1)!.done, 0) / total / canvases.length;
    },
  };
}
