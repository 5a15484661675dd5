import { countOf } from "../../std/count_of.ts";
import { formatDuration } from "../../std/duration.ts";
import { rankOf, summarize } from "../report/headlines.ts";
import { learns } from "../report/charts.ts";
import type { Page } from "../report/page.ts";
import { isOfTrial } from "../report/rungs.ts";
import {
  axesOf,
  count,
  encodePath,
  entryOf,
  figure,
  type Html,
  joined,
  markup,
  paramName,
  shorten,
  type Shown,
} from "../report/text.ts";
import type { LiveRun, LiveStage, Score } from "./model.ts";
import { currentStages, listed, timeOf } from "./run.ts";

/** The content of a table besides the records of runs. */
export interface TableDetails {
  /** Returns the loss of a stage at a step, or the last logged before it, if the stage has got there. */
  readonly lossAt?: ((run: LiveRun, stage: LiveStage, step: number) => number | undefined) | undefined;
  /** Returns the address of a picture of a run's samples, if there is one. */
  readonly pictureOf?: ((run: LiveRun) => string | undefined) | undefined;
  /** Returns the losses of a stage, if they are known. */
  readonly lossesOf?: ((run: LiveRun, stage: LiveStage) => readonly number[] | undefined) | undefined;
  /** Notes on missing content, and why it is missing. */
  readonly notes?: readonly string[];
}

interface Column {
  readonly id: string;
  readonly title: string;
  /** The value that the column is sorted by. */
  readonly value: (run: LiveRun) => number | string | undefined;
  /** Formats the cell, if it does not simply show the value. */
  readonly show?: (value: number | string, run: LiveRun) => Shown;
  /** True for a column that is shown only on request. */
  readonly isExtra?: boolean;
}

const PER_PAGE = 200;
/** The differences from the run before that name a run. */
const MOST_DIFFERENCES = 2;
/** The number of params with differing values that are shown; further ones are shown on request. */
const FIRST_PARAMS = 4;
/** The number of scores that are shown, distances first. */
const FIRST_SCORES = 3;
const MOST_CHOICES = 60;

/**
 * Renders the table of all runs by pipeline.
 * @param query parameters of the address: filter `q`, `sort`, `column`, step `at`, `page`
 */
export function renderTable(runs: readonly LiveRun[], query: URLSearchParams, details: TableDetails = {}): Page {
  const words = (query.get("q") ?? "").toLowerCase().split(/\s+/);
  const found = runs.filter((run) => words.every((word) => textOf(run).includes(word)));
  const chosen = new Set(query.getAll("column"));
  const groups = [...Map.groupBy(found, ({ pipeline }) => pipeline)].map(([pipeline, own]) => {
    const all = columnsOf(own, query, details);
    const isFull = (column: Column) => !column.isExtra && own.some((run) => column.value(run) !== undefined);
    const columns = all.filter((one) =>
      chosen.size === 0 || one.id.startsWith("loss@") ? isFull(one) : chosen.has(one.id)
    );
    return { pipeline, all, columns, own: sorted(own, all, query.get("sort") ?? "") };
  });
  const before = runsBefore(runs);
  const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
  const page = Math.min(pages, Math.max(1, Math.trunc(Number(query.get("page"))) || 1));
  const rows = groups.flatMap((group) => group.own.map((run) => ({ group, run })));
  const tables = [...Map.groupBy(rows.slice((page - 1) * PER_PAGE, page * PER_PAGE), ({ group }) => group)]
    .map(([{ pipeline, columns, own }, rows]) => {
      const head = columns.map((column) => headOf(column, own, query));
      const body = rows.map(({ run }) => rowOf(run, columns, before.get(run)));
      const { question } = own[0]!;
      return markup`<h3>${pipeline} <small>${countOf(own.length, "run")}</small></h3>${
        question && markup`<p class="question">${shorten(question, 200)}</p>`
      }
<div class="scroll"><table class="runs"><thead><tr><th scope="col">run</th>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
    });
  const choices = new Map(groups.flatMap(({ all }) => all).map((column) => [column.id, column]));
  const shown = new Set(groups.flatMap(({ columns }) => columns).map(({ id }) => id));
  const none = runs.length === 0
    ? markup`There are no runs yet. This starts one: <code>deno task run pipelines/digits.yaml</code>`
    : "No run matches all of these words.";
  const links = Array.from({ length: pages }, (_, i) => {
    const current = i + 1 === page ? markup` aria-current="page"` : "";
    return markup`<a href="${sameBut(query, "page", i + 1)}"${current}>${i + 1}</a> `;
  });
  const working = runs.filter(({ state }) => state === "running").length;
  return {
    title: "Runs",
    subtitle: `${countOf(runs.length, "run")} in this store, ${working} running`,
    notes: details.notes ?? [],
    isWide: true,
    sections: [{
      id: "runs",
      title: "Runs",
      body: [
        runs.length === 0 ? markup`` : controls(query, [...choices.values()].slice(0, MOST_CHOICES), shown),
        found.length === 0 ? markup`<p>${none}</p>` : markup`<form id="compare" action="/compare">${tables}
<p class="bar-below"><button>Compare selected</button> <button type="button" id="clear" hidden>Clear</button> <small id="selection" role="status">select two to eight runs, or one run with a matrix</small></p></form>`,
        pages === 1 ? markup`` : markup`<nav class="pages" aria-label="Pages">${links}</nav>`,
      ],
    }],
    curves: [],
  };
}

/** Returns for each run the last one before it of the same file. */
function runsBefore(runs: readonly LiveRun[]): Map<LiveRun, LiveRun | undefined> {
  const byFile = Map.groupBy(runs, ({ file, pipeline }) => `${file} ${pipeline}`).values();
  return new Map(byFile.flatMap((own) => {
    const newest = own.toSorted((a, b) => b.startedMs - a.startedMs);
    return newest.map((run, i) => [run, newest[i + 1]] as const);
  }));
}

/** Says how the params of a run differ from those of the run before it. */
function differenceFrom(before: LiveRun | undefined, run: LiveRun): string {
  if (before === undefined) return "first run";
  const [old, now] = paramTexts([before, run]) as [Map<string, string>, Map<string, string>];
  const [had, has] = [old, now].map((texts) => new Set(texts.keys().map(entryIn))) as [Set<string>, Set<string>];
  const all = [...new Set([...now.keys(), ...old.keys()])]
    .filter((name) => old.get(name) !== now.get(name) && had.has(entryIn(name)) && has.has(entryIn(name)));
  const told = all.slice(0, MOST_DIFFERENCES).map((name) => {
    const [from, to] = [old, now].map((texts) => shorten(texts.get(name) ?? "none", 40));
    return `${name} ${from} → ${to}`;
  });
  if (all.length > told.length) told.push(`${all.length - told.length} more`);
  const isPart = had.size > has.size && had.isSupersetOf(has);
  return told.join("; ") || (isPart ? `only ${listed([...has])}` : "same settings");
}

/** Returns the stage in the name of a param. */
const entryIn = (name: string) => name.split(".")[0]!;

/** Texts of params by the stages of their run, which stay the same objects while a run does not change. */
const known = new WeakMap<LiveRun["stages"], Map<string, string>>();
const SEED = /^[^.]+\.seed$/;

/**
 * Returns the params of runs as texts, by name; for matrix children, all values that they have. If all stages of each
 * run have the same seed, it is the seed of the run.
 */
function paramTexts(runs: readonly LiveRun[]): Map<string, string>[] {
  const all = runs.map(({ stages }) => known.get(stages) ?? known.set(stages, readTexts(stages)).get(stages)!);
  const isOne = all.every((texts) => {
    const seeds = new Set([...texts].filter(([name]) => SEED.test(name)).map(([, text]) => text));
    return seeds.size <= 1 && seeds.values().every((text) => !text.includes(","));
  });
  if (!isOne) return all;
  return all.map((texts) => new Map([...texts].map(([name, text]) => [name.replace(SEED, "seed"), text])));
}

function readTexts(stages: LiveRun["stages"]): Map<string, string> {
  const leaves = stages.flatMap(({ id, kind, params }) =>
    params.map(({ path, value }) => ({ name: paramName(entryOf(id), path, kind), value }))
  );
  return new Map([...Map.groupBy(leaves, ({ name }) => name)].map(([name, own]) => {
    const all = own.map(({ value }) => typeof value === "string" ? value : JSON.stringify(value));
    return [name, [...new Set(all)].join(", ")];
  }));
}

/**
 * Returns the stage that a row describes: preferably a training rather than another stage with a loss, and a stage at
 * work rather than one that has ended.
 */
function stageOf(run: LiveRun): LiveStage | undefined {
  const now = currentStages(run);
  const learning = run.stages.filter(({ figures }) => figures["loss"] !== undefined);
  const trains = learning.filter(({ kind }) => learns(kind));
  const all = trains.length > 0 ? trains : learning;
  return all.findLast((stage) => now.includes(stage)) ?? all.at(-1) ?? now.at(-1);
}

function textOf({ pipeline, file, runId, state, host, cluster, tags, overrides }: LiveRun): string {
  return [pipeline, file, runId, state, host, cluster, ...tags, ...overrides].join(" ").toLowerCase();
}

function columnsOf(runs: readonly LiveRun[], query: URLSearchParams, details: TableDetails): Column[] {
  const { lossAt, pictureOf, lossesOf } = details;
  const stages = new Map(runs.map((run) => [run, stageOf(run)]));
  const stageFor = (run: LiveRun) => stages.get(run);
  const loss = (run: LiveRun) => stageFor(run)?.figures["loss"];
  const step = Math.trunc(Number(query.get("at")));
  const at = (run: LiveRun) => stageFor(run) && lossAt!(run, stageFor(run)!, step);
  const time = (ms: number | string) => formatDuration(Number(ms));
  const done = (steps: number | string, run: LiveRun) =>
    `${count(Number(steps))} of ${count(stageFor(run)!.progress!.total)}`;
  const state = (name: number | string, run: LiveRun) => {
    const named = ({ id, state }: LiveStage) => state === name ? entryOf(id) : `${entryOf(id)} ${state}`;
    const now = listed([...new Set(currentStages(run).map(named))]);
    return markup`<span class="state ${name}">${name}</span> <small>${now}</small>`;
  };
  const picture = (source: number | string) =>
    markup`<img class="thumbnail" src="${source}" alt="samples" width="64" height="64" loading="lazy">`;
  const now = (value: number | string, run: LiveRun) =>
    markup`${figure(Number(value))} ${drawLosses(lossesOf?.(run, stageFor(run)!) ?? [])}`;
  const took = ({ startedMs, endedMs }: LiveRun) => endedMs && endedMs - startedMs;
  const isOn = runs.some(({ state }) => state === "running");
  const { tell = [], same = [] } = scoreColumns(runs);
  return [
    { id: "samples", title: "samples", value: (run) => pictureOf?.(run), show: picture },
    { id: "state", title: "state", value: (run) => run.state, show: state },
    { id: "tags", title: "tags", value: ({ tags }) => tags.join(", ") || undefined },
    ...paramColumns(runs),
    { id: "step", title: "step", value: (run) => stageFor(run)?.progress?.done, show: done },
    { id: "eta", title: "time left", value: (run) => stageFor(run)?.etaMs, show: time },
    { id: "loss", title: isOn ? "loss now" : "last loss", value: (run) => loss(run)?.last, show: now },
    ...step > 0 && lossAt ? [{ id: `loss@${step}`, title: `loss at ${count(step)} or just before`, value: at }] : [],
    { id: "search", title: "search", value: ({ best = [] }) => best.join("; ") || undefined },
    ...tell,
    { id: "took", title: "took", value: took, show: time },
    ...same,
    { id: "host", title: "host", value: ({ host, cluster }) => cluster ?? host, isExtra: true },
  ];
}

/** The size of a small curve in pixels. */
const [WIDTH, HEIGHT] = [80, 20];

/** Draws losses as a small curve on a logarithmic axis. */
function drawLosses(losses: readonly number[]): Html {
  const logs = losses.filter((one) => one > 0).map(Math.log);
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  if (!(high > low)) return markup``;
  const points = logs.map((one, i) => {
    const [x, y] = [WIDTH * i / (logs.length - 1), 1 + (HEIGHT - 2) * (high - one) / (high - low)];
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const size = markup`width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}"`;
  return markup`<svg class="spark" ${size} aria-hidden="true"><polyline points="${points.join(" ")}"/></svg>`;
}

/**
 * Returns a column for each score over all timesteps and labels: means over seeds if there are any; for several
 * children their range. Scores that are the same in all runs are returned separately.
 */
function scoreColumns(runs: readonly LiveRun[]) {
  const found = new Map(runs.map((run) => [run, scoresOf(run)]));
  const names = [...new Set([...found.values()].flatMap((scores) => [...scores.keys()]))];
  const all = names.sort((a, b) => rankOf(a) - rankOf(b) || a.localeCompare(b)).map((name, i): Column => ({
    id: `score:${name}`,
    isExtra: i >= FIRST_SCORES,
    title: name,
    value: (run) => found.get(run)!.get(name)?.[0]?.value,
    show: (_, run) => {
      const own = found.get(run)!.get(name)!;
      if (own.length > 1) return joined([own[0], own.at(-1)].map((one) => figure(one!.value)), " … ");
      const [shown, spread] = summarize(own);
      const [{ seeds }] = own as [Score];
      return markup`${shown} <small>${joined([spread || undefined, seeds && `of ${seeds} seeds`], " ")}</small>`;
    },
  }));
  return Object.groupBy(all, ({ value }) => {
    const values = runs.map(value).filter((one) => one !== undefined);
    return values.length > 1 && new Set(values).size === 1 ? "same" : "tell";
  });
}

/** Returns the scores by stage and name, the lowest first. */
function scoresOf({ scores = [] }: LiveRun): Map<string, Score[]> {
  const rising = scores.toSorted((a, b) => a.value - b.value);
  const all = Map.groupBy(rising, ({ stage, metric }) => `${entryOf(stage)} ${metric}`);
  const meansOf = (scores: Score[]) => scores.filter(({ seeds }) => seeds !== undefined);
  return new Map([...all].map(([name, own]) => [name, meansOf(own).length > 0 ? meansOf(own) : own]));
}

/** Returns a column for each param that differs between the runs that have its stage. */
function paramColumns(runs: readonly LiveRun[]): Column[] {
  const found = new Map<string, Map<LiveRun, string>>();
  paramTexts(runs).forEach((texts, i) => {
    for (const [name, text] of texts) found.getOrInsertComputed(name, () => new Map()).set(runs[i]!, text);
  });
  return [...found].filter(([, values]) => new Set(values.values()).size > 1).map(([path, values], i) => ({
    id: `param:${path}`,
    title: path,
    value: (run) => {
      const text = values.get(run);
      return text === undefined || text === "" || Number.isNaN(Number(text)) ? text : Number(text);
    },
    show: (_, run) => shorten(values.get(run)!, 200),
    isExtra: i >= FIRST_PARAMS,
  }));
}

/** @param order the id of a column, with `-` before it for descending order; runs without a value come last */
function sorted(runs: readonly LiveRun[], columns: readonly Column[], order: string): readonly LiveRun[] {
  const sign = order.startsWith("-") ? -1 : 1;
  const column = columns.find(({ id }) => id === order.replace(/^-/, ""));
  if (column === undefined) return runs;
  const keyed = runs.map((run) => ({ run, key: column.value(run) }));
  return keyed.sort(({ key: a }, { key: b }) => {
    if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  }).map(({ run }) => run);
}

function headOf(column: Column, runs: readonly LiveRun[], query: URLSearchParams): Html {
  const { id, title } = column;
  const order = query.get("sort");
  const [sort, mark] = order === id ? ["ascending", " ↑"] : order === `-${id}` ? ["descending", " ↓"] : ["none", ""];
  const name = runs.some((run) => typeof column.value(run) === "number") ? "n" : "";
  const to = sameBut(query, "sort", order === id ? `-${id}` : id);
  const words = title.split(/(?<=\.)/).map((word, i) => [i > 0 ? markup`<wbr>` : "", word]);
  return markup`<th scope="col" class="${name}" aria-sort="${sort}"><a href="${to}">${words}</a>${mark}</th>`;
}

function sameBut(query: URLSearchParams, name: string, value: string | number): string {
  const next = new URLSearchParams(query);
  // In another order, a page contains other runs.
  next.delete("page");
  next.set(name, String(value));
  return `/?${next}`;
}

function rowOf(run: LiveRun, columns: readonly Column[], before: LiveRun | undefined): Html {
  const { runId, startedMs, stages } = run;
  const known = new Set(stages.map(({ id }) => id));
  const trials = new Set(stages.flatMap(({ id }) => isOfTrial(id, known) ? axesOf(id).get("trial") ?? [] : [])).size;
  const axes = new Set(stages.flatMap(({ id }) => [...axesOf(id).keys()]));
  if (trials > 0) { for (const axis of ["trial", "rung", "slot"]) axes.delete(axis); }
  const all = [...axes, ...trials > 0 ? [countOf(trials, "trial")] : []].join(" × ");
  const cells = columns.map((column) => {
    const value = column.value(run);
    if (value === undefined) return markup`<td></td>`;
    const shown = column.show?.(value, run) ?? (typeof value === "number" ? figure(value) : value);
    return markup`<td${typeof value === "number" ? markup` class="n"` : ""} data-name="${column.title}">${shown}</td>`;
  });
  const pick =
    markup`<input type="checkbox" name="run" value="${runId}" id="pick-${runId}" aria-label="compare ${runId}">`;
  const link = markup`<a href="${encodePath("run", runId)}" title="${runId}">${differenceFrom(before, run)}</a>`;
  const name = markup`<div>${pick}<span>${link}<br>
<small>${joined([timeOf(startedMs), all || undefined], " · ")}</small></span></div>`;
  return markup`<tr id="run-${runId}"><th scope="row">${name}</th>${cells}</tr>\n`;
}

/** Returns the form that changes the address: it works without a script. */
function controls(query: URLSearchParams, choices: readonly Column[], shown: ReadonlySet<string>): Html {
  const boxes = choices.map(({ id, title }) => {
    const checked = shown.has(id) ? markup` checked` : "";
    return markup`<label><input type="checkbox" name="column" value="${id}"${checked}> ${title}</label> `;
  });
  const order = query.get("sort");
  const sort = order === null ? "" : markup`<input type="hidden" name="sort" value="${order}">`;
  const words = query.get("q") ?? "";
  return markup`<form id="filter" class="controls" action="/">
<label>filter <input type="search" name="q" value="${words}" placeholder="name, tag, host, state"></label>
<label>loss at step <input type="number" name="at" min="1" value="${query.get("at") ?? ""}"></label>${sort}
<details id="columns"><summary>Columns</summary><div class="choices">${boxes}</div></details><button>Show</button></form>`;
}
