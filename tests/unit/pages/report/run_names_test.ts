import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { LiveRun } from "../../../../pages/live/model.ts";
import { renderRun } from "../../../../pages/live/run.ts";
import { renderTable } from "../../../../pages/live/table.ts";
import { markup } from "../../../../pages/report/text.ts";
import { liveRun, liveStage } from "../../../support/live_runs.ts";

Deno.test("a run is named by what differs from the last run of its file, whatever else the table shows", () => {
  const run = (runId: string, hour: number, params: Readonly<Record<string, unknown>>, more: Partial<LiveRun> = {}) => {
    const own = Object.entries(params).map(([path, value]) => ({ path, value, origin: [] }));
    const stages = ["train", "sample"].map((id) => liveStage(id, { params: own }));
    return liveRun({ runId, startedMs: Date.UTC(2026, 10, 25, hour), stages, ...more });
  };
  const runs = [
    run("e", 5, { "with.rate": 0.1, seed: 1 }),
    run("d", 4, { "with.rate": 0.1, seed: 0 }),
    run("c", 3, { "with.rate": 9 }, { file: "other.yaml" }),
    run("b", 2, { "with.rate": 0.2, seed: 0, "with.new": "<b>" }),
    run("a", 1, { "with.rate": 0.2, seed: 0 }),
    run("A", 0, { "with.rate": 0.2, seed: 0 }),
  ];
  const named = (query = "") => {
    const { text } = markup`${renderTable(runs, new URLSearchParams(query)).sections[0]!.body}`;
    return [...text.matchAll(/<a href="\/run\/[^>]*>([^<]*)</g)].map(([, name]) => name);
  };
  const all = [
    "seed 0 → 1",
    "train.rate 0.2 → 0.1; sample.rate 0.2 → 0.1; 2 more",
    "first run",
    "train.new none → &#60;b&#62;; sample.new none → &#60;b&#62;",
    "same settings",
    "first run",
  ];
  assertEquals(named(), all);
  // Runs that a search leaves out still come before others.
  assertEquals(named("q=e").slice(0, 1), all.slice(0, 1));
});

Deno.test("a stage that a live run has yet to begin says what it waits for, and the page names what comes next", () => {
  const { text } = markup`${renderRun(liveRun(), { curves: [] }).sections.find(({ id }) => id === "pipeline")!.body}`;
  const waits = [...text.matchAll(/<small>(waits [^<]*)/g)].map(([, words]) => words);
  assertEquals(waits, ["waits for train", "waits for sample"]);
  assertStringIncludes(renderRun(liveRun(), { curves: [] }).state!.text, "<p>then sample, evaluate</p>");
  const stages = [liveStage("train", { state: "run" })];
  const ready = renderRun(liveRun({ stages }), { curves: [] }).sections.map(({ body }) => markup`${body}`.text).join(
    "",
  );
  assertStringIncludes(ready, "waits for a free processor or card, or another run");
  const over = renderRun(liveRun({ stages, state: "killed" }), { curves: [] });
  assert(!over.sections.some(({ body }) => markup`${body}`.text.includes("waits")));
});
