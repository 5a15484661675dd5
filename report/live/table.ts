import type { Page } from "../page.ts";
import type { LiveRun } from "./model.ts";

/** What a table shows besides the records of runs. */
export interface TableDetails {
  /** The loss of a run at a step, where it is known. */
  readonly lossAt?: (run: LiveRun, step: number) => number | undefined;
  /** What is missing, and why. */
  readonly notes?: readonly string[];
}

/** All runs by pipeline. @param query what the address says: filter, order, columns, page */
export function renderTable(runs: readonly LiveRun[], query: URLSearchParams, { notes = [] }: TableDetails = {}): Page {
  return { title: "Runs", subtitle: "", notes, sections: [{ id: "runs", title: "Runs", body: [] }], curves: [] };
}
