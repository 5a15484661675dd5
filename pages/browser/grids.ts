import type { GridCells } from "../../science/pictures/image_grid.ts";
import { make } from "./dom.ts";

/** The grey on which pictures of points and signals are drawn; on dark pages they are turned like other drawings. */
const PLOT_GREY = 246;

/** Marks a picture of points or signals. */
export function markPlot(image: HTMLImageElement): void {
  const { naturalWidth: width, naturalHeight: height } = image;
  if (width < 9 || height < 9) return;
  const context = make("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true })!;
  const isGrey = ([x, y]: readonly [x: number, y: number]) => {
    context.drawImage(image, x, y, 1, 1, 0, 0, 1, 1);
    return context.getImageData(0, 0, 1, 1).data.slice(0, 3).every((level) => level === PLOT_GREY);
  };
  image.classList.toggle("plot", ([[4, 4], [4, height - 5], [width - 5, 4]] as const).every(isGrey));
}

/** Enlarges a small grid by a whole factor, so that pixels stay squares. */
export function enlarge(image: HTMLImageElement): void {
  const { naturalWidth } = image;
  if (naturalWidth === 0 || image.matches(".drawing")) return;
  markPlot(image);
  const figure = image.closest<HTMLElement>(".hero > figure");
  if (figure === null) image.style.width = `${naturalWidth * Math.max(1, Math.floor(280 / naturalWidth))}px`;
  else {
    // Squares of different sizes are seen up to a factor of about three.
    image.style.width = `${Math.min(figure.clientWidth - 2, 640)}px`;
    image.style.imageRendering = figure.clientWidth < 3 * naturalWidth ? "auto" : "pixelated";
  }
  if (figure?.dataset["labels"] !== undefined) drawClasses(figure, image, figure.dataset["labels"]);
  drawLines(image);
}

/** Lets the style draw lines in the margins of a grid, which are white, as images may be. */
function drawLines(image: HTMLImageElement): void {
  const frames = image.closest<HTMLElement>("[data-cells]");
  if (frames === null) return;
  const [gap, , width, height] = cellOf(frames, 0);
  const size = { width: image.naturalWidth, height: image.naturalHeight };
  for (const [name, length] of Object.entries({ gap, across: gap + width, down: gap + height, ...size })) {
    image.parentElement!.style.setProperty(`--${name}`, `${length * image.clientWidth / image.naturalWidth}px`);
  }
}

/** Returns the place of one image in a grid. */
export function cellOf(frames: HTMLElement, index: number): [x: number, y: number, width: number, height: number] {
  const { columns, width, height, margin }: GridCells = JSON.parse(frames.dataset["cells"]!);
  const [x, y] = [index % columns, Math.floor(index / columns)];
  return [margin + x * (width + margin), margin + y * (height + margin), width, height];
}

const IN_ROW = 8;
const GAP = 2;

/** Draws samples of several classes by class, each with its name. The grid itself is one click away. */
function drawClasses(frames: HTMLElement, image: HTMLImageElement, labels: string): void {
  const rows = new Map<string, number[]>();
  (JSON.parse(labels) as string[]).forEach((label, i) => rows.set(label, [...rows.get(label) ?? [], i]));
  const length = Math.min(IN_ROW, Math.max(...[...rows.values()].map((own) => own.length)));
  const [, , width, height] = cellOf(frames, 0);
  const scale = Math.min(4, (frames.clientWidth - 108) / (length * (width + GAP) + GAP));
  const table = make("div", { className: "classes" });
  for (const [label, places] of rows) {
    const shown = places.slice(0, length);
    const canvas = make("canvas", { width: shown.length * (width + GAP) + GAP, height: height + 2 * GAP });
    canvas.style.width = `${canvas.width * scale}px`;
    canvas.style.imageRendering = scale < 2 ? "auto" : "pixelated";
    const context = canvas.getContext("2d")!;
    shown.forEach((place, i) =>
      context.drawImage(image, ...cellOf(frames, place), GAP + i * (width + GAP), GAP, width, height)
    );
    table.append(make("span", { textContent: label, title: label }), canvas);
  }
  const grid = image.closest<HTMLElement>(".scroll")!;
  frames.querySelector(".classes")?.remove();
  grid.before(table);
  const button = frames.querySelector<HTMLButtonElement>(".by-class") ??
    make("button", { type: "button", className: "by-class" });
  const show = (isGrid: boolean) => {
    [table.hidden, grid.hidden] = [isGrid, !isGrid];
    button.textContent = isGrid ? "by class" : "as one grid";
  };
  button.onclick = () => {
    show(grid.hidden !== false);
    drawLines(image);
  };
  grid.after(button);
  show(!grid.hidden && button.textContent === "by class");
}
