import { assertEquals } from "@std/assert";
import { compareExperiments, comparisonPage, sheetOf } from "../../../cli/results/compare.ts";
import type { Experiment } from "../../../cli/results/experiments.ts";
import { partsOf } from "../../../report/page.ts";
import { curve, liveRun, liveStage } from "../../support/live_runs.ts";

const param = (path: string, value: unknown) => ({ path, value, origin: [] });

/** A run whose training goes on, or is done. */
function trained(source: string, learningRate: unknown, isDone: boolean, seed: number = 0) {
  const made = { kind: "train", version: "3", params: { learningRate }, seed, inputs: {}, externals: {} };
  const experiment: Experiment = {
    ...{ source, label: "", uses: new Map(), artifacts: [], unknown: [] },
    stages: ["train", "sample"],
    missing: isDone ? ["sample"] : ["train", "sample"],
    made: new Map(isDone ? [["train", made]] : []),
  };
  const params = [param("with.learningRate", learningRate), param("with.clip", 1), param("seed", seed)];
  const stages = [
    liveStage("train", { params, previews: [10, 20], state: isDone ? "ran" : "running" }),
    liveStage("of another child", { previews: [10] }),
  ];
  return {
    experiment,
    now: { run: liveRun({ runId: source, stages }), curves: [curve("train", 20), curve("other", 5)] },
  };
}

Deno.test("runs that go on are compared by what their plans and they themselves say", async () => {
  const all = [trained("first", 0.1, true), trained("second", 0.2, false)];
  const experiments = all.map(({ experiment }) => experiment);
  const compared = await compareExperiments(experiments, all.map(({ now }) => now));
  const { comparison, rows } = compared;
  assertEquals(comparison.names, ["first", "second"]);
  // A param that one result does not note, as it has its default, is no difference.
  assertEquals(comparison.params, [{ path: "train.learningRate", values: [0.1, 0.2] }]);
  assertEquals(sheetOf(comparison, rows), [["", "train.learningRate"], ["first", "0.1"], ["second", "0.2"]]);
  const page = comparisonPage(compared);
  assertEquals(
    page.curves.map(({ title, runs }) => [title, ...runs.map(({ label, rows }) => `${label} ${rows.length}`)]),
    [
      ["train", "learningRate=0.1 20", "learningRate=0.2 20"],
    ],
  );
  const samples = partsOf(page).find(({ id }) => id === "samples")!.html;
  assertEquals([...samples.matchAll(/src="(.*?)"/g)].map(([, src]) => src), [
    "/preview/first/train/10.png",
    "/preview/first/train/20.png",
    "/preview/second/train/10.png",
    "/preview/second/train/20.png",
  ]);
  assertEquals(samples.split("<figure").length - 1, 2);
});

Deno.test("curves are named by links to their runs, in the words above them and in the data of their legends", async () => {
  const all = [trained("first", 0.1, true), trained("second", 0.2, false)];
  const compared = await compareExperiments(all.map(({ experiment }) => experiment), all.map(({ now }) => now));
  const page = comparisonPage(compared);
  const { html } = partsOf(page).find(({ id }) => id === "curves")!;
  const names = [...html.matchAll(/<p>(<a .*?): 20 points/g)].map(([, name]) => name);
  assertEquals(names, [
    `<a href="/run/first">learningRate=0.1</a>`,
    `<a href="/run/second">learningRate=0.2</a>`,
  ]);
  assertEquals(page.curves[0]!.runs.map(({ href }) => href), ["/run/first", "/run/second"]);
});

Deno.test("children of a matrix are named by its values, and by what differs between the runs that have these", async () => {
  const child = (source: string, axis: string, learningRate: number, clip: number) => {
    const { experiment, now } = trained(source, learningRate, true);
    const [train, ...others] = now.run.stages;
    const stages = [{ ...train!, params: [...train!.params.slice(0, 1), param("with.clip", clip)] }, ...others];
    return { experiment: { ...experiment, label: axis }, now: { ...now, run: { ...now.run, stages } } };
  };
  const labelsOf = async (...all: ReturnType<typeof child>[]) =>
    (await compareExperiments(all.map(({ experiment }) => experiment), all.map(({ now }) => now))).labels;
  const first = [child("a", "lr=1", 1, 5), child("a", "lr=2", 2, 5)];
  assertEquals(await labelsOf(...first), ["lr=1", "lr=2"]);
  assertEquals(await labelsOf(...first, child("b", "lr=1", 1, 6), child("b", "lr=3", 3, 6)), [
    ...["lr=1 clip=5", "lr=2", "lr=1 clip=6", "lr=3"],
  ]);
  // Two runs of the same began at the same minute: their ids are left.
  assertEquals(await labelsOf(...first.slice(1), child("b", "lr=2", 2, 5)), ["a lr=2", "b lr=2"]);
});

Deno.test("without runs, experiments that have no results are left out", async () => {
  const all = [trained("first", 0.1, true), trained("second", 0.2, false)];
  const { comparison } = await compareExperiments(all.map(({ experiment }) => experiment));
  assertEquals(comparison.names, ["first"]);
});

Deno.test("a run is named by the params that tell it from others, else by its seed too, else by when it began", async () => {
  const headsOf = async (...all: ReturnType<typeof trained>[]) => {
    const compared = await compareExperiments(all.map(({ experiment }) => experiment), all.map(({ now }) => now));
    const { html } = partsOf(comparisonPage(compared)).find(({ id }) => id === "params")!;
    const heads = html.matchAll(/<th scope="col"><span title="([^"]*)"><a href="([^"]*)">(.*?)<\/a>/g);
    return { heads: [...heads].map(([, ...own]) => own), params: compared.comparison.params };
  };
  const { heads, params } = await headsOf(
    trained("a", 0.1, true),
    trained("b", 0.1, true, 1),
    trained("c", 0.2, true),
  );
  assertEquals(heads, [
    ["a", "/run/a", "learningRate=0.1 seed=0"],
    ["b", "/run/b", "learningRate=0.1 seed=1"],
    ["c", "/run/c", "learningRate=0.2"],
  ]);
  // The stage's seed is the run's.
  assertEquals(params.map(({ path }) => path), ["train.learningRate"]);
  const evil = await headsOf(trained("a", "<img>", true), trained(`"<b>`, 0.2, true));
  assertEquals(evil.heads.map(([title, , label]) => [title, label]), [
    ["a", "learningRate=&#34;&#60;img&#62;&#34;"],
    ["&#34;&#60;b&#62;", "learningRate=0.2"],
  ]);
  const alike = trained("later", 0.1, true);
  const later = { ...alike, now: { ...alike.now, run: { ...alike.now.run, startedMs: Date.UTC(2026, 10, 26, 9, 0) } } };
  const twice = await compareExperiments(
    [trained("a", 0.1, true), later].map(({ experiment }) => experiment),
    [trained("a", 0.1, true), later].map(({ now }) => now),
  );
  assertEquals(twice.labels, ["2026-11-25 10:15", "2026-11-26 09:00"]);
});
