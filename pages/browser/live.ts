/** The script of a page from a server, which applies the changes that the server sends. */
import type { Idiomorph as Library } from "idiomorph/dist/idiomorph.d.ts";
import "./report.ts";
import { charts, data, drawIn } from "./charts.ts";
import { all, byId, make, on } from "./dom.ts";
import { showFrames } from "./frames.ts";
import { markPlot } from "./grids.ts";
import { type Group, linesOf, namesOf, type Run } from "./series.ts";

/** The library stands in the page before this script. */
declare const Idiomorph: typeof Library;

const MOST_POINTS = 2000;

const callbacks = {
  // Charts update themselves.
  beforeNodeMorphed: (node: Node) => !(node instanceof Element && node.matches(".charts")),
  // Settings of the reader are kept.
  beforeAttributeUpdated: (name: string, node: Element) =>
    !(["open", "style"].includes(name) || ["value", "checked"].includes(name) && node.matches("input")),
};

function merge({ id, html }: Readonly<Record<"id" | "html", string>>): void {
  const old = byId(id);
  if (old === null) return;
  Idiomorph.morph(old, html, { morphStyle: "outerHTML", callbacks });
  showChosen();
  fitAll();
  showFrames();
  all(".charts:empty").forEach(drawIn);
}

function addRows({ stage, run, href, rows }: Pick<Run, "href" | "rows"> & Readonly<Record<"stage" | "run", string>>) {
  let group = data.find(({ title }) => title === stage);
  if (group === undefined) data.push(group = { title: stage, runs: [] });
  const shapeOf = ({ runs }: Group) => [runs.length, namesOf(group).length].join();
  const before = shapeOf(group);
  let own = group.runs.find(({ label }) => label === run);
  if (own === undefined) group.runs.push(own = { label: run, href, rows: [] });
  // After a lost connection, the server sends some rows again.
  const last = own.rows.at(-1)?.step ?? -1;
  own.rows.push(...rows.filter(({ step }) => step > last));
  if (own.rows.length > MOST_POINTS) own.rows = own.rows.filter((_, i, { length }) => i % 2 === 0 || i === length - 1);
  const isNew = before !== shapeOf(group);
  for (const holder of all("[data-curve]")) {
    if (holder.dataset["curve"] !== stage) continue;
    if (isNew) {
      drawIn(holder);
      continue;
    }
    for (const element of holder.children) {
      const chart = charts.get(element);
      chart?.plot.setData(linesOf(group, chart.name).data);
    }
  }
}

// Grids of small images show some of these, larger pictures all that they have.
function fit(image: HTMLImageElement): void {
  if (image.naturalWidth > 340) image.style.objectFit = "cover";
  markPlot(image);
}
const fitAll = () => all<HTMLImageElement>(".thumbnail").forEach((image) => image.complete && fit(image));
on("load", ".thumbnail", fit, true);
fitAll();

// Chosen runs stay chosen on other pages of the table, and with other filters.
const [CHOSEN, MOST_CHOSEN] = ["noiseline-chosen", 8];
let runs: readonly string[] = JSON.parse(sessionStorage.getItem(CHOSEN) ?? "[]");
function showChosen(): void {
  const selection = byId("selection");
  if (selection === null) return;
  for (const box of all<HTMLInputElement>("#compare [name=run]")) box.checked = runs.includes(box.value);
  byId("clear")!.hidden = runs.length === 0;
  document.querySelector<HTMLButtonElement>(".bar-below button")!.disabled = runs.length === 0;
  selection.textContent = runs.length === 0
    ? "select two to eight runs, of any files, or one run with a matrix"
    : `${runs.length} selected${runs.length > MOST_CHOSEN ? "; at most eight are compared" : ""}`;
}
function choose(next: readonly string[]): void {
  sessionStorage.setItem(CHOSEN, JSON.stringify(runs = next));
  showChosen();
}
on<HTMLInputElement>(
  "change",
  "#compare [name=run]",
  ({ checked, value }) => choose(checked ? [...runs, value] : runs.filter((run) => run !== value)),
);
on("submit", "#compare", (form) => {
  const here = all<HTMLInputElement>("[name=run]", form).map(({ value }) => value);
  for (const value of runs) {
    if (!here.includes(value)) form.append(make("input", { type: "hidden", name: "run", value }));
  }
});
on("click", "#clear", () => choose([]));
addEventListener("pageshow", showChosen);

function say(words: string): void {
  byId("gone")!.textContent = words;
  byId("gone")!.hidden = words === "";
}
let address = byId("stream")!.dataset["events"];
let source: EventSource | undefined;
function listen(): void {
  source?.close();
  // A browser opens at most six connections to a server, so hidden pages close theirs.
  if (address === undefined || document.hidden) return;
  const own = source = new EventSource(address);
  own.onopen = () => say("");
  own.onerror = () => {
    say(
      "The server has ended: it was stopped, or no page was open for ten minutes. To update this page again, run " +
        "deno task ui in the folder where it was started, and open the address that it prints.",
    );
    // A refused source, as after a restart of the server, does not reconnect by itself.
    if (own.readyState === EventSource.CLOSED) setTimeout(() => own === source && listen(), 3000);
  };
  own.addEventListener("part", ({ data }) => merge(JSON.parse(data)));
  own.addEventListener("rows", ({ data }) => addRows(JSON.parse(data)));
  own.addEventListener("gone", () => {
    own.close();
    address = undefined;
    say("The run or comparison of this page no longer exists.");
  });
}
document.addEventListener("visibilitychange", listen);
listen();
