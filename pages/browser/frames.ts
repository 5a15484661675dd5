import { all, byId } from "./dom.ts";
import { cellOf, enlarge } from "./grids.ts";

/** The chosen step; until somebody moves the slider, the last step is shown, also when a later one arrives. */
let chosen: number | undefined;

const stepsOf = (slider: HTMLInputElement): number[] => JSON.parse(slider.dataset["steps"]!);

/** Chooses the step at which the slider of all frames stands. */
export function chooseStep(slider: HTMLInputElement): void {
  const steps = stepsOf(slider);
  chosen = Number(slider.value) === steps.length - 1 ? undefined : steps[Number(slider.value)];
  showFrames();
}

/** Names each cell: on a narrow screen rows are cards, and each cell has its name before it. */
function nameCells(): void {
  for (const { tHead, tBodies } of all<HTMLTableElement>(".scroll > table:not(.runs)")) {
    const names = [...tHead!.rows[0]!.cells].map(({ textContent }) => textContent);
    for (const row of tBodies[0]!.rows) [...row.cells].forEach((cell, i) => cell.dataset["name"] = names[i]!);
  }
}

/** Shows the pictures of the chosen step, and what else follows from the content of the page. */
export function showFrames(): void {
  nameCells();
  const slider = byId<HTMLInputElement>("steps");
  let step = Infinity;
  if (slider !== null) {
    const steps = stepsOf(slider);
    const last = chosen ?? Infinity;
    const place = Math.max(0, steps.findLastIndex((one) => one <= last));
    step = steps[place]!;
    slider.value = `${place}`;
    const words = `after ${step.toLocaleString("en")} steps`;
    slider.setAttribute("aria-valuetext", words);
    slider.closest(".slider")!.lastChild!.textContent = words;
  }
  for (const frames of all(".frames")) {
    const images = all<HTMLImageElement>("img", frames);
    const isShown = ({ dataset }: HTMLElement) => dataset["step"] === "" || Number(dataset["step"]) <= step;
    const shown = images.findLast(isShown) ?? images[0]!;
    for (const image of images) image.hidden = image !== shown;
    enlarge(shown);
    frames.querySelector("figcaption b")!.textContent = shown.dataset["caption"]!;
  }
  setBeside();
}

/** Lets the side-by-side view show the pictures that the frames show now. */
export function setBeside(): void {
  const frames = all("#samples .frames");
  const shownIn = (place: number) => frames[place]?.querySelector<HTMLImageElement>("img:not([hidden])");
  for (const canvas of all<HTMLCanvasElement>("[data-frame]")) {
    const number = Number(canvas.dataset["frame"]);
    const image = shownIn(number);
    if (!image) continue;
    const place = cellOf(frames[number]!, Number(byId<HTMLInputElement>("cell")!.value));
    const draw = () => {
      const context = canvas.getContext("2d")!;
      canvas.height = Math.round(canvas.width * place[3] / place[2]);
      context.imageSmoothingEnabled = false;
      context.drawImage(image, ...place, 0, 0, canvas.width, canvas.height);
    };
    image.loading = "eager";
    if (image.complete) draw();
    else image.addEventListener("load", draw, { once: true });
  }
  const edge = byId<HTMLInputElement>("edge");
  if (edge === null) return;
  for (const [from, to] of [["left", "under"], ["right", "over"]] as const) {
    const image = shownIn(Number(byId<HTMLSelectElement>(from)!.value));
    const shown = byId<HTMLImageElement>(to)!;
    if (!image) continue;
    if (shown.src !== image.src) shown.src = image.src;
    [shown.alt, shown.hidden] = [image.alt, false];
  }
  byId("over")!.parentElement!.style.setProperty("--edge", `${edge.value}%`);
}
