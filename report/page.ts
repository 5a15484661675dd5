// 1.6.32 (MIT), 50 kB: a page that opens from disk carries all that it needs.
import plotScript from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import plotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import type { CurveGroup, Report } from "./model.ts";
import { SCRIPT } from "./script.ts";
import { groupCurves, type Section, sectionsOf } from "./sections.ts";
import { STYLE } from "./style.ts";
import { Html, markup, scriptJson } from "./text.ts";

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

/** Nothing may be fetched: what is not in the file is not shown. */
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

export function renderPage({ title, subtitle, notes, sections: all, curves }: Page): string {
  const sections = all.filter(({ body }) => body.length > 0);
  const links = sections.map(({ id, title }) => markup`<a href="#${id}">${title}</a>`);
  const bodies = sections.map(({ id, title, body }) =>
    markup`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${body}</section>\n`
  );
  const lines = notes.slice(0, MOST_NOTES).map((note) => markup`<li>${note}</li>`);
  if (notes.length > MOST_NOTES) lines.push(markup`<li>… and ${notes.length - MOST_NOTES} more</li>`);
  const list = lines.length > 0 ? markup`<ul class="notes">${lines}</ul>` : "";
  const style = new Html(`<style>${plotStyle}</style><style>${STYLE}</style>`);
  const data = new Html(scriptJson(thinned(curves)));
  const script = new Html(
    `<script>${plotScript.replaceAll("</script", "<\\/script")}</script><script>${SCRIPT}</script>`,
  );
  return markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${new Html(POLICY)}">
<title>${title}</title>
${style}</head><body>
<header><h1>${title}</h1><p>${subtitle}</p>${list}</header>
<nav aria-label="Sections">${links}</nav>
<main>${bodies}</main>
<script type="application/json" id="data">${data}</script>
${script}
</body></html>
`.text;
}
