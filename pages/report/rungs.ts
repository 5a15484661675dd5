import type { Selection } from "../../schemas/selection.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { survivors } from "../../std/halving.ts";
import { entryOf, figure, type Html, markup, table } from "./text.ts";

/** The result of a stage of kind `select`. */
export interface ReportRanking {
  readonly title: string;
  readonly record: Selection;
}

/**
 * Returns true if what has this title is of a trial of a search, so that its figures are those of no result. Beside the
 * trials there is the stage itself, the winner's, as there is not beside the children of a matrix with such an axis.
 */
export function isOfTrial(title: string, stages: ReadonlySet<string>): boolean {
  const winner = /^(.*?)(?:~rung=\d+)?~(?:trial|slot)=\d+/.exec(title)?.[1];
  return winner !== undefined && stages.has(winner);
}

interface KnownStage {
  readonly id: string;
  readonly params: readonly { readonly path: string; readonly value: unknown }[];
}

/**
 * Returns a table for each search whose first rung is ranked: the trials of each rung, the best first, with the params
 * that differ between them, and which of them go on; and one sentence on the best, once it is known.
 * @param all stages, with params where they are known
 */
export function searchTables(rankings: readonly ReportRanking[], all: Iterable<KnownStage>) {
  const params = new Map(
    Array.from(all, (one) => [one.id, new Map(one.params.map(({ path, value }) => [path, value]))]),
  );
  const slots = Map.groupBy(params.keys(), (id) => /^([^~]*)~rung=\d/.exec(id)?.[1]);
  return [...Map.groupBy(rankings, ({ title }) => entryOf(title))].flatMap(([entry, own]) => {
    const search = entry.replace(/-ranking$/, "");
    if (search === entry || !params.has(`${search}~trial=1`)) return [];
    const rungs = own.map(({ title, record }) => ({ rung: Number(title.split("=")[1] ?? 0), record }))
      .sort((a, b) => a.rung - b.rung);
    const rankings = rungs.map(({ record }) => record.ranking);
    const above = [...Map.groupBy(slots.get(search) ?? [], (id) => Number(/=(\d+)/.exec(id)![1]))]
      .map(([rung, ids]) => ({ rung, room: ids.length })).sort((a, b) => a.rung - b.rung);
    const valuesOf = (trial: number) => params.get(`${search}~trial=${trial}`);
    const trials = rankings[0]!.map(({ candidate }) => candidate + 1);
    const paths = [...valuesOf(1)?.keys() ?? []].filter((path) =>
      new Set(trials.map((trial) => JSON.stringify(valuesOf(trial)?.get(path)))).size > 1
    );
    const rows = rungs.flatMap(({ rung, record: { ranking } }, i) => {
      const reached = survivors(rankings.slice(0, i), rankings.slice(1, i + 1).map(({ length }) => length));
      const next = above.find((one) => one.rung > rung);
      return ranking.map(({ candidate, value }, place): readonly (string | number)[] => {
        const trial = (reached[candidate]?.trial ?? candidate) + 1;
        return [
          ...rung > 0 ? [rung] : [],
          trial,
          ...paths.map((path) => showValue(valuesOf(trial)?.get(path))),
          value ?? "not finite",
          place >= (next?.room ?? 1) || value === null ? "" : next ? `goes on to ${next.rung}` : "the best",
        ];
      });
    });
    const searched = paths.map((path) => path.split(".").at(-1)!);
    const header = [...rungs[0]!.rung > 0 ? ["rung"] : [], "trial", ...searched, rungs[0]!.record.metric, ""];
    const winner = rows.find((row) => row.at(-1) === "the best")?.slice(rungs[0]!.rung > 0 ? 1 : 0);
    const score = `${rungs[0]!.record.metric} ${figure(Number(winner?.at(-2)))}`;
    const best = winner &&
      `best: ${["trial", ...searched].map((name, i) => `${name} ${winner[i]}`).join(", ")} (${score})`;
    // By the ends of ids. Which trial a slot is, is known once all rungs below are ranked.
    const reach = (trial: number, rung: number) =>
      `trial ${trial}${rung > 0 ? ` to ${rung.toLocaleString("en")} steps` : ""}`;
    const names: (readonly [mark: string, name: string])[] = [
      ...trials.map((trial) => [`trial=${trial}`, reach(trial, rungs[0]!.rung)] as const),
      ...above.slice(0, rungs.length).flatMap(({ rung }, i) =>
        survivors(rankings.slice(0, i + 1), above.map(({ room }) => room))
          .map(({ trial }, place) => [`rung=${rung}~slot=${place + 1}`, reach(trial + 1, rung)] as const)
      ),
    ];
    return [{ search, header, rows, names, ...definedOnly({ best }) }];
  });
}

function showValue(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "";
}

/** Returns the rows of a search's table with rounded scores. Steps, numbers of trials and params are exact. */
export function cellsOf({ header, rows }: Pick<SearchTable, "header" | "rows">): string[][] {
  const isScore = (cell: string | number, i: number) => i === header.length - 2 && typeof cell === "number";
  return rows.map((row) => row.map((cell, i) => isScore(cell, i) ? figure(Number(cell)) : String(cell)));
}

/** Draws the tables of searches. */
export function searchBody(tables: readonly SearchTable[]): Html[] {
  return tables.map((one) => {
    const best = one.best && markup`<p>${one.best}</p>`;
    return markup`<h3>${one.search}</h3>${best}${table(one.header, cellsOf(one))}`;
  });
}

/** Returns the sentences on the best of searches, with the search before each if there are several. */
export function bestOf(tables: readonly SearchTable[]): string[] {
  return tables.flatMap(({ search, best }) => best === undefined ? [] : tables.length > 1 ? `${search} ${best}` : best);
}

/**
 * Returns a function that names stages of searches by their trials: `train~rung=300~slot=1` is "trial 2 to 300 steps".
 * Other stages keep their ids, as do those after a training where two searches have the same rung.
 */
export function trialNames(tables: readonly Pick<SearchTable, "search" | "names">[]): (id: string) => string {
  const all = tables.flatMap(({ search, names }) =>
    names.map(([mark, name]) => ({ id: `${search}~${mark}`, mark, name }))
  );
  const byMark = Map.groupBy(all, ({ mark }) => mark);
  const byId = new Map(all.map(({ id, name }) => [id, name]));
  return (id) => {
    const own = byMark.get(id.slice(entryOf(id).length + 1)) ?? [];
    return byId.get(id) ?? (own.length === 1 ? own[0]!.name : id);
  };
}

type SearchTable = ReturnType<typeof searchTables>[number];
