// uPlot 1.6.32 (MIT), 50 kB, and Idiomorph 0.8.0 (0BSD), 3 kB: a page that opens from disk contains everything that it
// needs.
import plotScript from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import plotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import morphScript from "idiomorph/dist/idiomorph.min.js" with { type: "text" };
import { ICON } from "../../std/icon.ts";
import liveScript from "../browser/live.js" with { type: "text" };
import reportScript from "../browser/report.js" with { type: "text" };
import type { CurveGroup, LogRow, Report } from "./model.ts";
import { groupCurves } from "./charts.ts";
import { type Section, sectionsOf } from "./sections.ts";
import style from "./style.css" with { type: "text" };
import { Html, markup, scriptJson, type Shown } from "./text.ts";

/** Renders a report as one HTML file that opens from disk: it contains all pictures, data and the plotting library. */
export function renderReport(report: Report): string {
  return renderPage({ ...report, sections: sectionsOf(report), curves: groupCurves(report) });
}

/** The number of notes that are listed; further ones are only counted. */
const MOST_NOTES = 20;

/**
 * The number of points of all curves beyond which a page becomes slow, and of one curve beyond which a screen shows no
 * more.
 */
const MOST_POINTS = { all: 40_000, one: 2_000 };

/** Returns every n-th row of a curve, and always the last one. */
export function downsample<T>(rows: readonly T[], most: number = MOST_POINTS.one): T[] {
  const every = Math.ceil(rows.length / most);
  return rows.filter((_, i) => i % every === 0 || i === rows.length - 1);
}

/** Returns the groups of logs with as many points as the script should draw. */
function thinned(groups: readonly CurveGroup[]): readonly CurveGroup[] {
  const count = groups.reduce((sum, { runs }) => sum + runs.length, 0);
  const most = Math.min(MOST_POINTS.one, Math.ceil(MOST_POINTS.all / count));
  return groups.map(({ title, runs }) => ({
    title,
    runs: runs.map((run) => ({ ...run, rows: downsample(run.rows, most).map(rounded) })),
  }));
}

/** Rounds figures to more digits than a chart shows. */
function rounded(row: LogRow): LogRow {
  const entries = Object.entries(row).map(([name, value]) => [name, Number(value.toPrecision(6))] as const);
  return { ...Object.fromEntries(entries), step: row.step };
}

export interface Page extends Pick<Report, "title" | "notes" | "question"> {
  /** A line under the title. */
  readonly subtitle: Shown;
  /** The state of something that runs; screen readers announce its changes. */
  readonly state?: Html | undefined;
  /** True if the page uses the whole width of the window. */
  readonly isWide?: boolean;
  readonly sections: readonly Section[];
  readonly curves: readonly CurveGroup[];
}

/** Nothing may be fetched: content that is not in the file is not shown. */
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/** The files that a server provides under these names for its pages, which contain neither style nor script. */
export const ASSETS = {
  "/style.css": `${plotStyle}\n${style}`,
  "/app.js": `${plotScript}\n${morphScript}\n${liveScript}`,
} as const;

/** Renders a page as one file that opens from disk. */
export function renderPage(page: Page): string {
  const shown = { ...page, sections: page.sections.filter(({ body }) => body.length > 0) };
  const policy = markup`<meta http-equiv="Content-Security-Policy" content="${new Html(POLICY)}">`;
  const styles = new Html(`<style>${plotStyle}</style><style>${style}</style>`);
  const safe = plotScript.replaceAll("</script", "<\\/script");
  const script = new Html(`<script>${safe}</script><script>${reportScript}</script>`);
  return assemble(shown, { head: markup`${policy}${styles}`, body: markup``, script });
}

/**
 * Renders a page for a server that has `ASSETS`. It also contains sections without content, hidden, so that they can
 * appear later.
 * @param events address of the stream that sends the changes; undefined if nothing will change
 */
export function renderServed(page: Page, events?: string): string {
  const stream = events === undefined ? "" : markup` data-events="${events}"`;
  const top =
    markup`<p id="gone" role="alert" hidden></p><nav class="up" aria-label="Site"><a href="/">All runs</a></nav>`;
  const [head, script] = [markup`<link rel="stylesheet" href="/style.css">`, markup`<script src="/app.js"></script>`];
  return assemble(page, { head, body: markup`<div id="stream"${stream}></div>${top}`, script });
}

/** Returns the parts of a page that can change separately, each an element with this id. */
export function partsOf({ title, question, subtitle, notes, state, sections }: Page): { id: string; html: string }[] {
  const links = sections.filter(({ id }) => id !== "overview").map(({ id, title, body }) =>
    markup`<a href="#${id}"${body.length > 0 ? "" : markup` hidden`}>${title}</a>`
  );
  const lines = notes.slice(0, MOST_NOTES).map((note) => markup`<li>${note}</li>`);
  if (notes.length > MOST_NOTES) lines.push(markup`<li>… and ${notes.length - MOST_NOTES} more</li>`);
  const list = lines.length > 0 ? markup`<ul class="notes">${lines}</ul>` : "";
  const asked = question && markup`<p class="question">${question}</p>`;
  const head = markup`<header id="head"><h1>${title}</h1>${asked}<p>${subtitle}</p>${state}${list}</header>`;
  const contents = markup`<nav id="contents" aria-label="Sections">${sections.length > 1 ? links : ""}</nav>`;
  const parts = sections.map(({ id, title, body, fold }) => {
    const hidden = body.length > 0 ? "" : markup` hidden`;
    const heading = markup`<h2 id="${id}-title">${title}</h2>`;
    const content = fold === undefined
      ? markup`${heading}${body}`
      : markup`<details${fold === "open" ? markup` open` : ""}><summary>${heading}</summary>${body}</details>`;
    return { id, html: markup`<section id="${id}" aria-labelledby="${id}-title"${hidden}>${content}</section>` };
  });
  return [{ id: "head", html: head }, { id: "contents", html: contents }, ...parts]
    .map(({ id, html }) => ({ id, html: html.text }));
}

function assemble(page: Page, { head, body, script }: Readonly<Record<"head" | "body" | "script", Html>>): string {
  const [header, contents, ...sections] = partsOf(page).map(({ html }) => new Html(`${html}\n`));
  return markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${page.title}</title>
<link rel="icon" href="${ICON}">
${head}</head><body${page.isWide ? markup` class="wide"` : ""}>
${body}${header}${contents}<main>${sections}</main>
<script type="application/json" id="data">${new Html(scriptJson(thinned(page.curves)))}</script>
${script}
</body></html>
`.text;
}
