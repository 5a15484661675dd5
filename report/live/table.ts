import { formatDuration } from "../../std/duration.ts";
import type { Page } from "../page.ts";
import { entryOf, figure, type Html, markup, type Shown } from "../text.ts";
import type { FigureSummary, LiveRun, LiveStage } from "./model.ts";
import { atWork, timeOf } from "./run.ts";

/** What a table shows besides the records of runs. */
export interface TableDetails {
  /** The loss of a run at a step, where it is known. */
  readonly lossAt?: ((run: LiveRun, step: number) => number | undefined) | undefined;
  /** What is missing, and why. */
  readonly notes?: readonly string[];
}

interface Column {
  readonly id: string;
  readonly title: string;
  /** What the column is sorted by, and what it shows where it says nothing else. */
  value(run: LiveRun): number | string | undefined;
  show?(run: LiveRun): Shown;
}

const PER_PAGE = 200;
/** Params that differ beyond these are shown where they are chosen. */
const FIRST_PARAMS = 4;
const MOST_CHOICES = 60;
const HIDDEN_FIRST = new Set(["host", "seeds"]);

/** All runs by pipeline. @param query what the address says: filter, order, columns, page */
export function renderTable(runs: readonly LiveRun[], query: URLSearchParams, details: TableDetails = {}): Page {
  const { notes = [] } = details;
  const words = (query.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const found = runs.filter((run) => words.every((word) => textOf(run).includes(word)));
  const own = new Map(
    runs.length === 0 ? [] : [...Map.groupBy(runs, ({ pipeline }) => pipeline)].map(([name, all]) => {
      return [name, { scores: scoreColumns(all), params: paramColumns(all) }];
    }),
  );
  const fixed = fixedColumns(query, details);
  const chosen = new Set(query.getAll("column"));
  const isShown = ({ id }: Column, first: boolean) => chosen.size === 0 ? first : chosen.has(id);
  const columnsOf = (pipeline: string) => {
    const { scores, params } = own.get(pipeline)!;
    return [
      ...fixed.filter((one) => isShown(one, !HIDDEN_FIRST.has(one.id))),
      ...scores.filter((one) => isShown(one, true)),
      ...params.filter((one, i) => isShown(one, i < FIRST_PARAMS)),
    ];
  };
  const order = query.get("sort") ?? "";
  const groups = [...Map.groupBy(found, ({ pipeline }) => pipeline)].map(([pipeline, group]) => {
    const columns = columnsOf(pipeline);
    return { pipeline, count: group.length, columns, group: sorted(group, columns, order) };
  });
  const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
  const page = Math.min(pages, Math.max(1, Math.trunc(Number(query.get("page"))) || 1));
  let before = (page - 1) * PER_PAGE;
  let room = PER_PAGE;
  const tables = groups.map(({ pipeline, count, columns, group }) => {
    const rows = group.slice(before, before + room);
    before = Math.max(0, before - count);
    room -= rows.length;
    if (rows.length === 0) return "";
    const head = columns.map((column) => headOf(column, order, query));
    const body = rows.map((run) => rowOf(run, columns));
    return markup`<h3>${pipeline} <small>${count} ${count === 1 ? "run" : "runs"}</small></h3>
<div class="scroll"><table class="runs"><thead><tr><th scope="col">run</th>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
  });
  const all = [...fixed, ...[...own.values()].flatMap(({ scores, params }) => [...scores, ...params])];
  const choices = [...new Map(all.map((column) => [column.id, column])).values()].slice(0, MOST_CHOICES);
  const shown = new Set([...own.keys()].flatMap(columnsOf).map(({ id }) => id));
  const none = runs.length === 0
    ? markup`<p>There are no runs yet. This starts one: <code>deno task run pipelines/digits.yaml</code></p>`
    : markup`<p>No run has all of these words.</p>`;
  const body = [
    ...(runs.length === 0 ? [] : [controls(query, choices, shown)]),
    found.length === 0 ? none : markup`<form id="compare" action="/compare">${tables}
<p class="actions"><button>Compare the chosen</button> <small>two to eight, or one with a matrix</small></p></form>`,
    ...(pages === 1 ? [] : [links(query, page, pages)]),
  ];
  const working = runs.filter(({ state }) => state === "running").length;
  return {
    title: "Runs",
    subtitle: `${runs.length.toLocaleString("en")} in this store, ${working} at work`,
    notes,
    sections: [{ id: "runs", title: "All runs", body }],
    curves: [],
  };
}

function textOf({ pipeline, file, runId, state, host, cluster, tags, overrides }: LiveRun): string {
  return [pipeline, file, runId, state, host, cluster, ...tags, ...overrides].join(" ").toLowerCase();
}

function fixedColumns(query: URLSearchParams, { lossAt }: TableDetails): Column[] {
  const loss = (run: LiveRun) => lossStage(run)?.figures["loss"];
  const step = Math.trunc(Number(query.get("at")));
  const at: Column[] = !(step > 0) || lossAt === undefined ? [] : [
    { id: `loss@${step}`, title: `loss at ${step.toLocaleString("en")}`, value: (run) => lossAt(run, step) },
  ];
  return [
    {
      id: "state",
      title: "state",
      value: ({ state }) => state,
      show: ({ state }) => markup`<span class="state ${state}">${state}</span>`,
    },
    { id: "stage", title: "stage", value: (run) => atWork(run).map(({ id }) => id).join(", ") || undefined },
    {
      id: "step",
      title: "step",
      value: (run) => atWork(run)[0]?.progress?.done,
      show: (run) => {
        const now = atWork(run)[0]?.progress;
        return now && `${now.done.toLocaleString("en")} of ${now.total.toLocaleString("en")}`;
      },
    },
    duration("eta", "time left", (run) => atWork(run)[0]?.etaMs),
    { id: "loss", title: "loss now", value: (run) => loss(run)?.last },
    {
      id: "lowest",
      title: "lowest loss",
      value: (run) => loss(run)?.lowest,
      show: (run) => lowest(loss(run)),
    },
    ...at,
    duration("took", "took", ({ startedMs, endedMs }) => endedMs === undefined ? undefined : endedMs - startedMs),
    { id: "tags", title: "tags", value: ({ tags }) => tags.join(", ") || undefined },
    { id: "host", title: "host", value: ({ host, cluster }) => cluster ?? host },
  ];
}

function duration(id: string, title: string, value: (run: LiveRun) => number | undefined): Column {
  const show = (run: LiveRun) => {
    const ms = value(run);
    return ms === undefined ? undefined : formatDuration(ms);
  };
  return { id, title, value, show };
}

function lowest(summary: FigureSummary | undefined): Shown {
  return summary && markup`${figure(summary.lowest)} <small>at ${summary.at.toLocaleString("en")}</small>`;
}

/** The stage whose loss stands for the run: one that is at work, or the last. */
function lossStage(run: LiveRun): LiveStage | undefined {
  const has = ({ figures }: LiveStage) => figures["loss"] !== undefined;
  return atWork(run).find(has) ?? run.stages.findLast(has);
}

/** A column for each whole score: means over seeds where there are any; of several children the range. */
function scoreColumns(runs: readonly LiveRun[]): Column[] {
  const byRun = new Map(runs.map((run) => [run, scoresOf(run)]));
  const names = new Set([...byRun.values()].flatMap((scores) => [...scores.keys()]));
  return [...names].map((name): Column => {
    const valuesOf = (run: LiveRun) => byRun.get(run)!.get(name) ?? [];
    return {
      id: `score:${name}`,
      title: name,
      value: (run) => valuesOf(run).map(({ value }) => value).sort((a, b) => a - b)[0],
      show: (run) => {
        const values = valuesOf(run).toSorted((a, b) => a.value - b.value);
        const [first, last] = [values[0], values.at(-1)];
        if (first === undefined || last === undefined) return undefined;
        if (values.length > 1) return `${figure(first.value)} … ${figure(last.value)}`;
        const spread = first.deviation === undefined ? "" : markup` <small>± ${figure(first.deviation)}</small>`;
        const seeds = first.seeds === undefined ? "" : markup` <small>${first.seeds} seeds</small>`;
        return markup`${figure(first.value)}${spread}${seeds}`;
      },
    };
  });
}

function scoresOf({ scores, means = [] }: LiveRun) {
  const all = scores.flatMap(({ title, record }) =>
    record.metrics.filter(({ timesteps, label }) => timesteps === undefined && label === undefined)
      .map(({ name, value, deviation }) => ({ stage: title, metric: name, value, deviation, seeds: undefined }))
  );
  const nameOf = ({ stage, metric }: { readonly stage: string; readonly metric: string }) =>
    `${entryOf(stage)} ${metric}`;
  return new Map([...Map.groupBy(all, nameOf), ...Map.groupBy(means, nameOf)]);
}

/** A column for each param that is not the same in all runs which have its stage. */
function paramColumns(runs: readonly LiveRun[]): Column[] {
  const byPath = new Map<string, Map<LiveRun, string>>();
  for (const run of runs) {
    for (const { id, params } of run.stages) {
      for (const { path, value } of params) {
        const name = `${id}.${path}`;
        byPath.getOrInsertComputed(name, () => new Map()).set(
          run,
          typeof value === "string" ? value : JSON.stringify(value),
        );
      }
    }
  }
  return [...byPath].filter(([, values]) => new Set(values.values()).size > 1).map(([path, values]) => {
    const number = (run: LiveRun) => {
      const text = values.get(run);
      return text === undefined || text === "" || Number.isNaN(Number(text)) ? text : Number(text);
    };
    return { id: `param:${path}`, title: path, value: number, show: (run) => markup`<code>${values.get(run)}</code>` };
  });
}

/** @param order the id of a column, after `-` from the highest on; runs that have no value come last */
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

function headOf({ id, title }: Column, order: string, query: URLSearchParams): Html {
  const [up, down] = [order === id, order === `-${id}`];
  const sort = up ? markup` aria-sort="ascending"` : down ? markup` aria-sort="descending"` : "";
  const to = addressOf(query, { sort: up ? `-${id}` : id });
  return markup`<th scope="col"${sort}><a href="${to}">${title}</a>${up ? " ↑" : down ? " ↓" : ""}</th>`;
}

function addressOf(query: URLSearchParams, changes: Readonly<Record<string, string>>): string {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) next.set(name, value);
  return `/?${next}`;
}

function rowOf(run: LiveRun, columns: readonly Column[]): Html {
  const { runId, startedMs } = run;
  const cells = columns.map((column) => {
    const value = column.value(run);
    const shown = column.show?.(run) ?? (typeof value === "number" ? figure(value) : value);
    return markup`<td${typeof value === "number" ? markup` class="n"` : ""}>${shown}</td>`;
  });
  const pick =
    markup`<input type="checkbox" name="run" value="${runId}" id="pick-${runId}" aria-label="compare ${runId}">`;
  const link = markup`<a href="/run/${encodeURIComponent(runId)}" title="${runId}">${timeOf(startedMs)}</a>`;
  return markup`<tr id="run-${runId}"><th scope="row">${pick} ${link}</th>${cells}</tr>\n`;
}

/** The form that changes the address: it works without a script. */
function controls(query: URLSearchParams, choices: readonly Column[], shown: ReadonlySet<string>): Html {
  const boxes = choices.map(({ id, title }) =>
    markup`<label><input type="checkbox" name="column" value="${id}"${
      shown.has(id) ? markup` checked` : ""
    }> ${title}</label> `
  );
  const sort = query.get("sort");
  return markup`<form id="filter" class="controls" action="/">
<label>filter <input type="search" name="q" value="${
    query.get("q") ?? ""
  }" placeholder="pipeline, tag, host, state …"></label>
<label>loss at step <input type="number" name="at" min="1" value="${query.get("at") ?? ""}"></label>
${sort === null ? "" : markup`<input type="hidden" name="sort" value="${sort}">`}
<details id="columns"><summary>Columns</summary><div class="choices">${boxes}</div></details><button>Show</button></form>`;
}

function links(query: URLSearchParams, page: number, pages: number): Html {
  const numbers = Array.from({ length: pages }, (_, i) => i + 1).map((i) =>
    i === page
      ? markup`<b aria-current="page">${i}</b> `
      : markup`<a href="${addressOf(query, { page: `${i}` })}">${i}</a> `
  );
  return markup`<nav class="pages" aria-label="Pages">${numbers}</nav>`;
}
