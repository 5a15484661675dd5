import type { ReportStage } from "./model.ts";
import { escapeHtml } from "./text.ts";

const BOX = { width: 214, height: 58, gapX: 46, gapY: 16, margin: 8 };
/** A drawing of more boxes is no picture; the table below it has them all. */
const MOST_DRAWN = 60;
/** Characters that fit in a box. */
const TITLE_LENGTH = 24;

interface Placed {
  readonly stage: ReportStage;
  readonly x: number;
  readonly y: number;
}

/** The stages as an SVG: each in the column after the last that it reads. Empty for very many. */
export function drawDag(stages: readonly ReportStage[]): string {
  if (stages.length === 0 || stages.length > MOST_DRAWN) return "";
  const placed = place(stages);
  const all = [...placed.values()];
  const width = Math.max(...all.map(({ x }) => x)) + BOX.width + BOX.margin;
  const height = Math.max(...all.map(({ y }) => y)) + BOX.height + BOX.margin;
  const edges = all.flatMap(({ stage, x, y }) =>
    stage.reads.map((id) => placed.get(id)).filter((from) => from !== undefined).map((from) => {
      const [x1, y1] = [from.x + BOX.width, from.y + BOX.height / 2];
      const [x2, y2] = [x, y + BOX.height / 2];
      const bend = (x2 - x1) / 2;
      return `<path class="edge" d="M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}"/>`;
    })
  );
  return `<svg class="dag" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" ` +
    `aria-label="Stages and what they read; the table below says the same">${edges.join("")}${
      all.map(drawBox).join("")
    }</svg>`;
}

function place(stages: readonly ReportStage[]): Map<string, Placed> {
  const columns = new Map<string, number>();
  const rows: number[] = [];
  const placed = new Map<string, Placed>();
  // In dependency order: what a stage reads has its column already.
  for (const stage of stages) {
    const column = Math.max(-1, ...stage.reads.map((id) => columns.get(id) ?? -1)) + 1;
    columns.set(stage.id, column);
    const row = rows[column] ?? 0;
    rows[column] = row + 1;
    const x = BOX.margin + column * (BOX.width + BOX.gapX);
    placed.set(stage.id, { stage, x, y: BOX.margin + row * (BOX.height + BOX.gapY) });
  }
  return placed;
}

function drawBox({ stage, x, y }: Placed): string {
  const { id, kind, state, duration } = stage;
  // The end is what tells the children of a matrix apart.
  const title = id.length > TITLE_LENGTH ? `${id.slice(0, 7)}…${id.slice(8 - TITLE_LENGTH)}` : id;
  const time = duration === undefined ? "" : ` · ${duration}`;
  return `<g transform="translate(${x} ${y})"><title>${escapeHtml(id)}</title>` +
    `<rect class="box ${escapeHtml(state)}" width="${BOX.width}" height="${BOX.height}" rx="8"/>` +
    `<text x="12" y="24" class="id">${escapeHtml(title)}</text>` +
    `<text x="12" y="43" class="facts">${escapeHtml(`${kind} · ${state}${time}`)}</text></g>`;
}
