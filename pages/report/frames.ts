import type { ReportPicture } from "./model.ts";
import { figureButtons, type Html, link, markup, moreOf } from "./text.ts";

/** The pictures of a section that are there at first. */
const MOST_PICTURES = 24;

/** Groups pictures that differ only in the training step; if two have the same step, something else differs too. */
export function grouped(all: readonly ReportPicture[]): ReportPicture[][] {
  const keyOf = ({ title, note, step, comparisonCell }: ReportPicture) =>
    JSON.stringify([comparisonCell, note, ...step === undefined ? [title] : []]);
  const groups = Map.groupBy(all, keyOf);
  return [...groups.values()].flatMap((group) => {
    const distinct = new Set(group.map(({ step }) => step)).size === group.length;
    return distinct ? [group.toSorted((a, b) => (a.step ?? 0) - (b.step ?? 0))] : group.map((picture) => [picture]);
  });
}

/** Returns a frame for each group, and one slider over the training steps of all. */
export function pictures(all: readonly ReportPicture[]): Html[] {
  const groups = grouped(all);
  return [...stepSlider(groups), ...firstFrames(groups)];
}

/** Returns frames, of which a browser builds the first, and the others when somebody asks for them. */
export function firstFrames(groups: readonly (readonly ReportPicture[])[]): Html[] {
  return moreOf(framesOf(groups), MOST_PICTURES);
}

/**
 * @param groups pictures sorted by step; the last of each is shown until the slider moves
 * @param heading stands above each frame
 */
export function framesOf(groups: readonly (readonly ReportPicture[])[], heading?: string): Html[] {
  return groups.map((group, i) => {
    const isNext = i > 0 && group[0]!.comparisonCell?.[0] !== groups[i - 1]![0]!.comparisonCell?.[0];
    return markup`${isNext ? markup`<br>` : ""}${drawFrame(group, heading)}`;
  });
}

/** Returns the slider over the training steps of all pictures that have several; a page has at most one. */
export function stepSlider(groups: readonly (readonly ReportPicture[])[]): Html[] {
  const moving = groups.filter(({ length }) => length > 1).flat();
  const steps = [...new Set(moving.map(({ step }) => step!))].sort((a, b) => a - b);
  if (steps.length === 0) return [];
  const last = steps.length - 1;
  const all = JSON.stringify(steps);
  const range = markup`<input id="steps" type="range" min="0" max="${last}" value="${last}" data-steps="${all}">`;
  return [markup`<div class="slider"><label>training step ${range}</label><span></span></div>`];
}

/** @param frames sorted by step; the last is shown until the slider moves */
function drawFrame(frames: readonly ReportPicture[], heading?: string): Html {
  const captionOf = ({ title, step }: ReportPicture) =>
    step === undefined ? title : `${title}, after ${step.toLocaleString("en")} steps`;
  const last = frames.at(-1)!;
  // Drawings too become images, so that ids in one drawing cannot collide with those in another.
  const images = frames.map((picture) => {
    const { note, isDrawing, source, step } = picture;
    const caption = captionOf(picture);
    const uri = typeof source === "string"
      ? source
      : `data:image/${isDrawing ? "svg+xml" : "png"};base64,${source.toBase64()}`;
    const alt = [caption, note].filter(Boolean).join(". ");
    const lazy = typeof source === "string" ? markup` loading="lazy"` : "";
    const state = [isDrawing ? markup` class="drawing"` : "", picture === last ? "" : markup` hidden`];
    return markup`<img src="${uri}" alt="${alt}"${lazy} data-step="${step}" data-caption="${caption}"${state}>`;
  });
  const data = [
    last.cells && markup` data-cells="${JSON.stringify(last.cells)}"`,
    last.labels && markup` data-labels="${JSON.stringify(last.labels)}"`,
  ];
  const caption = markup`<figcaption>${link(markup`<b>${captionOf(last)}</b>`, last.href)} ${last.note} ${
    figureButtons(last.isDrawing ?? false)
  }</figcaption>`;
  const above = heading && markup`<p><b>${heading}</b></p>`;
  return markup`<figure class="frames" data-name="${last.title}"${data}>${above}<div class="scroll">${images}</div>${caption}</figure>`;
}
