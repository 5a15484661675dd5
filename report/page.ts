// 1.6.32 (MIT), 50 kB: a page that opens from disk carries all that it needs.
import plotScript from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import plotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import type { CurveGroup, Report } from "./model.ts";
import { SCRIPT } from "./script.ts";
import { groupCurves, type Section, sectionsOf } from "./sections.ts";
import { STYLE } from "./style.ts";
import { escapeHtml, scriptJson } from "./text.ts";

/** A report as one HTML file that opens from disk: pictures, data and the plotting library are all in it. */
export function renderReport(report: Report): string {
  return renderPage({ ...report, sections: sectionsOf(report), curves: groupCurves(report.curves) });
}

/** Notes beyond these are counted. */
const MOST_NOTES = 20;

/** Points of all curves of a page beyond which it becomes slow, and of one beyond which a screen shows no more. */
const MOST_POINTS = { all: 40_000, one: 2_000 };

/** What the script draws of groups of logs: every so many rows of each, the last one among them. */
function thinned(groups: readonly CurveGroup[]): readonly CurveGroup[] {
  const count = groups.reduce((sum, { runs }) => sum + runs.length, 0);
  const most = Math.min(MOST_POINTS.one, Math.ceil(MOST_POINTS.all / count));
  const pick = <T>(rows: readonly T[]) => {
    const every = Math.ceil(rows.length / most);
    return rows.filter((_, i) => i % every === 0 || i === rows.length - 1);
  };
  return groups.map(({ title, runs }) => ({
    title,
    runs: runs.map(({ label, rows }) => ({ label, rows: pick(rows) })),
  }));
}

export interface Page extends Pick<Report, "title" | "subtitle" | "notes"> {
  readonly sections: readonly Section[];
  readonly curves: readonly CurveGroup[];
}

export function renderPage({ title, subtitle, notes, sections, curves }: Page): string {
  const links = sections.map(({ id, title }) => `<a href="#${id}">${escapeHtml(title)}</a>`).join("");
  const bodies = sections.map(({ id, title, html }) =>
    `<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${escapeHtml(title)}</h2>${html}</section>`
  );
  const lines = notes.slice(0, MOST_NOTES).map((note) => `<li>${escapeHtml(note)}</li>`);
  if (notes.length > MOST_NOTES) lines.push(`<li>… and ${notes.length - MOST_NOTES} more</li>`);
  return [
    "<!doctype html>",
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    // Nothing may be fetched: what is not in the file is not shown.
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; ` +
    `script-src 'unsafe-inline'">`,
    `<title>${escapeHtml(title)}</title>`,
    `<style>${plotStyle}</style><style>${STYLE}</style></head><body>`,
    `<header><h1>${escapeHtml(title)}</h1><p>${escapeHtml(subtitle)}</p>${
      lines.length > 0 ? `<ul class="notes">${lines.join("")}</ul>` : ""
    }</header>`,
    `<nav aria-label="Sections">${links}</nav>`,
    `<main>${bodies.join("\n")}</main>`,
    `<script type="application/json" id="data">${scriptJson(thinned(curves))}</script>`,
    `<script>${plotScript.replaceAll("</script", "<\\/script")}</script><script>${SCRIPT}</script>`,
    "</body></html>",
    "",
  ].join("\n");
}
