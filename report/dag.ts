import { formatDuration } from "../std/duration.ts";
import type { ReportStage } from "./model.ts";
import { entryOf, type Html, markup, stateWord } from "./text.ts";

const BOX = { width: 186, height: 58, gapX: 30, gapY: 16, margin: 8 };
/** With more boxes the drawing would be unreadable; the table below it lists all stages. */
const MOST_DRAWN = 60;
/** The number of characters that fit in a box. */
const TITLE_LENGTH = 20;

/** A stage, or all children of a matrix. */
interface Placed extends Readonly<Record<"x" | "y", number>> {
  readonly stages: readonly ReportStage[];
}

/**
 * Draws the stages as an SVG: each in the column after the last of the stages that it reads. Empty for very many
 * stages.
 */
export function drawDag(stages: readonly ReportStage[]): Html {
  const placed = placeStages(stages);
  const all = [...placed.values()];
  if (all.length === 0 || all.length > MOST_DRAWN) return markup``;
  const width = Math.max(...all.map(({ x }) => x)) + BOX.width + BOX.margin;
  const height = Math.max(...all.map(({ y }) => y)) + BOX.height + BOX.margin;
  const edges = all.flatMap(({ stages, x, y }) =>
    readBy(stages).map((id) => placed.get(id)).filter((from) => from !== undefined).map((from) => {
      const [x1, y1] = [from.x + BOX.width, from.y + BOX.height / 2];
      const [x2, y2] = [x, y + BOX.height / 2];
      const bend = (x2 - x1) / 2;
      return markup`<path class="edge" d="M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}" />`;
    })
  );
  const label = "Stages and what they read; the table below says the same";
  const size = markup`width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  const drawn = [...edges, ...all.map(drawBox)];
  return markup`<div class="scroll"><svg class="dag" ${size} role="img" aria-label="${label}">${drawn}</svg></div>`;
}

function readBy(stages: readonly ReportStage[]): string[] {
  return [...new Set(stages.flatMap(({ reads }) => reads.map(entryOf)))];
}

function placeStages(stages: readonly ReportStage[]): Map<string, Placed> {
  const rows: number[] = [];
  const placed = new Map<string, Placed>();
  // Stages are in dependency order, so every stage that this one reads already has its column.
  for (const [id, children] of Map.groupBy(stages, ({ id }) => entryOf(id))) {
    const x = Math.max(BOX.margin, ...readBy(children).map((one) => (placed.get(one)?.x ?? 0) + BOX.width + BOX.gapX));
    const row = rows[x] ?? 0;
    rows[x] = row + 1;
    placed.set(id, { stages: children, x, y: BOX.margin + row * (BOX.height + BOX.gapY) });
  }
  return placed;
}

function drawBox({ stages, x, y }: Placed): Html {
  const [{ id: first, kind, durationMs, progress }] = stages as [ReportStage];
  const id = stages.length > 1 ? entryOf(first) : first;
  const states = [...new Set(stages.map(({ state }) => state))];
  const title = id.length > TITLE_LENGTH ? `${id.slice(0, TITLE_LENGTH - 1)}…` : id;
  const time = durationMs === undefined ? [] : [formatDuration(durationMs)];
  const far = progress === undefined ? time : [`${Math.floor(100 * progress.done / Math.max(1, progress.total))}%`];
  const said = states.map(stateWord);
  const facts = stages.length > 1 ? [`${stages.length} stages`, ...said] : [kind.split("/").at(-1), ...said, ...far];
  const [width, height] = [BOX.width - 2, BOX.height - 2];
  const box = markup`<rect class="box ${states.join(" ")}" x="1" y="1" width="${width}" height="${height}" rx="8"/>`;
  const texts = markup`<text x="12" y="24" class="id">${title}</text>
<text x="12" y="43" class="facts">${facts.filter(Boolean).join(" · ")}</text>`;
  const place = markup`x="${x}" y="${y}" width="${BOX.width}" height="${BOX.height}"`;
  return markup`<svg ${place}><title>${id}</title>${box}${texts}</svg>`;
}
