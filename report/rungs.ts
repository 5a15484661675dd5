import type { Selection } from "../schemas/selection.ts";
import { survivors } from "../std/halving.ts";
import { entryOf, figure, type Html, markup, table } from "./text.ts";

/** The result of a stage of kind `select`. */
export interface ReportRanking {
  readonly title: string;
  readonly record: Selection;
}

/** Returns true if a stage is one of the trials of a search, so that its figures are those of no result. */
export function isOfTrial(id: string): boolean {
  return /~(?:trial|slot)=\d+/.test(id);
}

/**
 * Returns a table for each search whose first rung is ranked: the trials of each rung, the best first, and which of
 * them go on.
 * @param ids of all stages
 */
export function searchTables(rankings: readonly ReportRanking[], ids: Iterable<string>) {
  const stages = [...ids];
  return [...Map.groupBy(rankings, ({ title }) => entryOf(title))].flatMap(([entry, own]) => {
    const search = entry.replace(/-ranking$/, "");
    if (search === entry || !stages.includes(`${search}~trial=1`)) return [];
    const rungs = own.map(({ title, record }) => ({ rung: Number(title.split("=")[1] ?? 0), record }))
      .sort((a, b) => a.rung - b.rung);
    const rows = rungs.flatMap(({ rung, record: { ranking } }, i) => {
      const below = rungs.slice(0, i).map(({ record }) => record.ranking.map(({ candidate }) => candidate));
      const reached = survivors(below, rungs.slice(1, i + 1).map(({ record }) => record.ranking.length));
      const higher = stages.map((id) => id.startsWith(`${search}~rung=`) ? Number(/=(\d+)/.exec(id)![1]) : 0)
        .filter((one) => one > rung);
      const next = Math.min(...higher);
      const room = stages.filter((id) => id.startsWith(`${search}~rung=${next}~slot=`)).length;
      return ranking.map(({ candidate, value }, place): readonly (string | number)[] => [
        ...rung > 0 ? [rung] : [],
        (i === 0 ? candidate : reached[candidate]!) + 1,
        value ?? "not finite",
        higher.length > 0 ? place < room ? `goes on to ${next}` : "" : place === 0 ? "the best" : "",
      ]);
    });
    const header = [...rows[0]!.length > 3 ? ["rung"] : [], "trial", rungs[0]!.record.metric, ""];
    return [{ search, header, rows }];
  });
}

/** Draws the tables of searches. */
export function searchBody(tables: ReturnType<typeof searchTables>): Html[] {
  return tables.map(({ search, header, rows }) => {
    // Steps and numbers of trials are exact; only scores are rounded.
    const show = (cell: string | number, i: number) =>
      i === header.length - 2 && typeof cell === "number" ? figure(cell) : cell;
    return markup`<h3>${search}</h3>${table(header, rows.map((row) => row.map(show)))}`;
  });
}
