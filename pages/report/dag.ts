import dagre from "@dagrejs/dagre";
import { formatDuration } from "../../std/duration.ts";
import type { ReportStage } from "./model.ts";
import { entryOf, figureButtons, type Html, markup, stateWord } from "./text.ts";

const BOX = { width: 186, height: 58 };
const LAYOUT = { rankdir: "LR", ranksep: 44, nodesep: 16, edgesep: 8, marginx: 8, marginy: 8 };
/** With more boxes the drawing would be unreadable; the table below it lists all stages. */
const MOST_DRAWN = 60;
/** Names a box for dagre, which keeps boxes in an object: that has a `constructor` before any box is added. */
const nodeOf = (id: string) => `stage ${id}`;
/** The number of characters that fit in a box. */
const TITLE_LENGTH = 20;

/**
 * Draws the stages as an SVG: each to the right of those that it reads, with lines that go around boxes (Gansner et al.
 * 1993, as dagre has it). Empty for very many stages.
 */
export function drawDag(stages: readonly ReportStage[]): Html {
  const boxes = Map.groupBy(stages, ({ id }) => entryOf(id));
  if (boxes.size === 0 || boxes.size > MOST_DRAWN) return markup``;
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ ...LAYOUT });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of boxes.keys()) graph.setNode(nodeOf(id), { ...BOX });
  for (const [id, own] of boxes) {
    for (const from of own.flatMap(({ reads }) => reads.map(entryOf))) {
      if (boxes.has(from) && from !== id) graph.setEdge(nodeOf(from), nodeOf(id));
    }
  }
  dagre.layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  const edges = graph.edges().map((edge) => markup`<path class="edge" d="${curveThrough(graph.edge(edge).points)}"/>`);
  const drawn = [...boxes].map(([id, own]) => {
    const { x, y } = graph.node(nodeOf(id));
    return drawBox(own, markup`x="${x - BOX.width / 2}" y="${y - BOX.height / 2}"`);
  });
  const label = "Stages and what they read; the table below says the same";
  const size = markup`width="${Math.ceil(width)}" height="${Math.ceil(height)}" viewBox="0 0 ${width} ${height}"`;
  const head = markup`<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>`;
  return markup`<div class="drawn"><div class="scroll"><svg class="dag" ${size} role="img" aria-label="${label}">${head}${edges}${drawn}</svg></div>${
    figureButtons(true)
  }</div>`;
}

/** Returns a smooth path through points, level at its ends: a quadratic curve at each inner point. */
function curveThrough(points: readonly Readonly<Record<"x" | "y", number>>[]): string {
  const [first, ...rest] = points.map(({ x, y }) => [x, y] as const);
  const inner = rest.slice(0, -1).map(([x, y], i) => {
    const [nextX, nextY] = rest[i + 1]!;
    const isLast = i === rest.length - 2;
    return `Q${x} ${y} ${isLast ? nextX : (x + nextX) / 2} ${isLast ? nextY : (y + nextY) / 2}`;
  });
  return [`M${first!.join(" ")}`, ...inner].join("");
}

/** Draws a stage, or all children of a matrix. */
function drawBox(stages: readonly ReportStage[], place: Html): Html {
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
  const size = markup`width="${BOX.width}" height="${BOX.height}"`;
  return markup`<svg ${place} ${size}><title>${id}</title>${box}${texts}</svg>`;
}
