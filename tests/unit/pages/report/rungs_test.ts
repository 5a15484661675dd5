import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { renderReport } from "../../../../pages/report/page.ts";
import { bestOf, searchTables, trialNames } from "../../../../pages/report/rungs.ts";
import { NOTHING, stage } from "../../../support/report.ts";

const ranking = (rung: number, pairs: readonly (readonly [number, number | null])[]) => ({
  title: `train-ranking~rung=${rung}`,
  record: {
    ...{ format: 1 as const, metric: "L_simple", goal: "lowest" as const },
    ranking: pairs.map(([candidate, value]) => ({ candidate, value })),
  },
});
const FIRST = ranking(100, [[3, 0.1], [0, 0.2], [2, 0.3], [1, null]]);
// Slots are in the order of trials: the first is trial 1, the second trial 4.
const SECOND = ranking(300, [[0, 0.05], [1, 0.07]]);
const IDS = ["train~trial=1", "train~rung=300~slot=1", "train~rung=300~slot=2", "train"];
const STAGES = IDS.map((id) => ({ id, params: [] }));

Deno.test("rungs of a search list their trials by score, with those that go on, also while a rung is not ranked", () => {
  const first = [[100, 4, 0.1, "goes on to 300"], [100, 1, 0.2, "goes on to 300"], [100, 3, 0.3, ""]];
  const rows = [...first, [100, 2, "not finite", ""]];
  const header = ["rung", "trial", "L_simple", ""];
  const [{ names: _, ...found }] = searchTables([FIRST], STAGES) as [ReturnType<typeof searchTables>[number]];
  assertEquals(found, { search: "train", header, rows });
  assertEquals(bestOf(searchTables([FIRST], STAGES)), []);
  assertEquals(bestOf(searchTables([SECOND, FIRST], STAGES)), ["best: trial 1 (L_simple 0.05)"]);
  assertEquals(searchTables([SECOND, FIRST], STAGES)[0]!.rows, [...rows, [300, 1, 0.05, "the best"], [
    300,
    4,
    0.07,
    "",
  ]]);
});

Deno.test("params that differ between trials stand beside their numbers, exactly as they are", () => {
  const trials = [1, 2, 3, 4].map((trial) => {
    const values = { "with.learningRate": trial / 8, "with.model": { width: 8 * trial }, "with.batchSize": 32 };
    const params = Object.entries(values).map(([path, value]) => ({ path, value, origin: [] }));
    return { id: `train~trial=${trial}`, params };
  });
  const [{ header, rows } = { header: [], rows: [] }] = searchTables([FIRST], [...trials, ...STAGES.slice(1)]);
  assertEquals(header, ["rung", "trial", "learningRate", "model", "L_simple", ""]);
  const found = searchTables([FIRST, SECOND], [...trials, ...STAGES.slice(1)]);
  assertEquals(bestOf(found), ['best: trial 1, learningRate 0.125, model {"width":8} (L_simple 0.05)']);
  assertEquals(bestOf([...found, { ...found[0]!, search: "fit" }])[1], `fit ${bestOf(found)[0]}`);
  assertEquals(rows[0], [100, 4, "0.5", '{"width":32}', 0.1, "goes on to 300"]);
});

Deno.test("a ranking that is of no search makes no such table", () => {
  assertEquals(searchTables([{ ...FIRST, title: "pick" }, FIRST], [{ id: "pick", params: [] }]), []);
});

Deno.test("the page of a search has a table of its rungs, and its winner's figures alone come first", () => {
  const record = (value: number) => ({
    ...{ format: 1 as const, seed: null, images: {} },
    metrics: [{ name: "L_simple", value, count: 7 }],
  });
  const metrics = [
    { title: "evaluate~trial=1", record: record(0.98765) },
    { title: "evaluate", record: record(0.054321) },
  ];
  const stages = [...IDS, "evaluate~trial=1", "evaluate"].map((id) => stage(id));
  const page = renderReport({ ...NOTHING, stages, metrics, rankings: [FIRST, SECOND] });
  assertStringIncludes(page, 'id="search"');
  assertStringIncludes(page, "goes on to 300");
  const overview = page.slice(page.indexOf('id="overview"'), page.indexOf('id="search"'));
  assertStringIncludes(overview, "<p>best: trial 1 (L_simple 0.05)</p>");
  assertStringIncludes(overview, "0.05432");
  assert(!overview.includes("0.9877"));
});

Deno.test("the scores of a matrix stand first also if its axis is called as a search's trials are", () => {
  const metrics = [0.98765, 0.054321].map((value, i) => ({
    title: `evaluate~trial=${i + 1}`,
    record: { format: 1 as const, seed: null, images: {}, metrics: [{ name: "FID", value, count: 7 }] },
  }));
  const page = renderReport({ ...NOTHING, stages: metrics.map(({ title }) => stage(title)), metrics });
  const overview = page.slice(page.indexOf('id="overview"'), page.indexOf('id="scores"'));
  for (const figure of ["0.9877", "0.05432"]) assertStringIncludes(overview, figure);
});

Deno.test("stages of a search are named by their trials once the rungs below theirs are ranked, and others by their ids", () => {
  const all = [
    ...IDS,
    ...[1, 2].map((rung) => `train~rung=${rung}000~slot=1`),
    "evaluate~rung=300~slot=2",
    "fit~trial=3",
  ];
  const stages = all.map((id) => ({ id, params: [] }));
  const named = (tables: Parameters<typeof trialNames>[0]) => all.map((id) => trialNames(tables)(id));
  const slots = ["trial 1 to 300 steps", "trial 4 to 300 steps"];
  const after = (
    first: string,
  ) => ["trial 1 to 100 steps", ...slots, "train", first, "train~rung=2000~slot=1", slots[1]];
  const other = "trial 3 to 100 steps";
  assertEquals(named([]), all);
  assertEquals(named(searchTables([FIRST], stages)), [...after("train~rung=1000~slot=1"), other]);
  assertEquals(named(searchTables([SECOND, FIRST], stages)), [...after("trial 1 to 1,000 steps"), other]);
  // Where two searches have the same rungs, a stage after a training may belong to either.
  const [table] = searchTables([FIRST], stages) as [ReturnType<typeof searchTables>[number]];
  const both = named([table, { ...table, search: "fit" }]);
  assertEquals(both.slice(0, 3), ["trial 1 to 100 steps", ...slots]);
  assertEquals(both.slice(-2), ["evaluate~rung=300~slot=2", other]);
});

Deno.test("the page of a search shows the winner's samples first, and names curves, scores and pictures by their trials", () => {
  const picture = (title: string) => ({ title, note: title, source: title, step: 300 });
  const titles = ["trial=1", "rung=300~slot=1", "rung=300~slot=2"].map((mark) => `sample~${mark}`);
  const record = { format: 1 as const, seed: null, images: {}, metrics: [{ name: "FID", value: 1, count: 7 }] };
  const content = {
    stages: [...IDS, ...titles, "sample"].map((id) => stage(id)),
    curves: IDS.map((title) => ({ title, rows: [{ step: 1, loss: 1 }, { step: 2, loss: 1 }] })),
    metrics: ["score~rung=300~slot=2", "score"].map((title) => ({ title, record })),
    rankings: [FIRST, SECOND],
  };
  const page = renderReport({ ...NOTHING, ...content, samples: [...titles, "sample"].map(picture) });
  const sectionOf = (id: string) => page.slice(page.indexOf(`<section id="${id}"`)).split("</section>")[0]!;
  assertStringIncludes(sectionOf("overview"), 'data-name="sample"');
  assert(!sectionOf("overview").includes("trial=1"));
  assertStringIncludes(sectionOf("samples"), 'data-name="sample, trial 4 to 300 steps"');
  assertStringIncludes(sectionOf("training"), "trial 4 to 300 steps: ");
  assertStringIncludes(sectionOf("scores"), "<code>trial 4 to 300 steps</code>");
  // A search that has no winner yet shows samples of its trials.
  const going = renderReport({ ...NOTHING, ...content, rankings: [FIRST], samples: titles.map(picture) });
  assertStringIncludes(going.slice(0, going.indexOf('id="search"')), 'data-name="sample~trial=1"');
});
