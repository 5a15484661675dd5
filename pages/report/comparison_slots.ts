import type { ReportPicture } from "./model.ts";
import { grouped } from "./frames.ts";
import { type Html, markup } from "./text.ts";

/**
 * Returns slots in which the page's script puts the current pictures of all frames beside one another: the same image
 * of every grid, and two pictures on top of each other. Returns nothing if there are fewer than two frames.
 */
export function comparisonSlots(all: readonly ReportPicture[]): Html[] {
  const frames = grouped(all).map((group, i) => ({ i, ...group.at(-1)! }));
  const grids = frames.filter(({ cells }) => cells !== undefined);
  const most = Math.min(...grids.map(({ cells }) => cells!.count)) - 1;
  const canvases = grids.map(({ i, title }) =>
    markup`<figure><canvas data-frame="${i}" width="160" height="160" role="img" aria-label="${title}"></canvas>
<figcaption>${title}</figcaption></figure>`
  );
  const number = markup`<input id="cell" type="number" min="0" max="${most}" value="0">`;
  const choose = (id: string, chosen: number) => {
    const options = frames.map(({ i, title }) =>
      markup`<option value="${i}"${i === chosen ? markup` selected` : ""}>${title}</option>`
    );
    return markup`<label>${id} <select id="${id}">${options}</select></label>`;
  };
  const edge = markup`<label>divider <input id="edge" type="range" min="0" max="100" value="50"></label>`;
  return [
    ...grids.length < 2 ? [] : [
      markup`<p>The same image of each run. Runs with the same seed sample from the same noise.</p>
<div class="controls"><label>image ${number}</label></div><div class="cells">${canvases}</div>`,
    ],
    ...frames.length < 2 ? [] : [
      markup`<h3>Overlaid</h3><div class="controls">${choose("left", 0)}${choose("right", 1)}${edge}</div>
<div class="swipe"><img id="under" alt="" hidden><img id="over" alt="" hidden></div>`,
    ],
  ];
}
