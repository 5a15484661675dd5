import { assertEquals, assertMatch } from "@std/assert";
import { compareExperiments, comparisonPage, sheetOf } from "../../../pages/results/compare.ts";
import { type Experiment, experimentsOf } from "../../../pages/results/experiments.ts";
import type { Store } from "../../../engine/store/store.ts";
import { partsOf } from "../../../pages/report/page.ts";
import { curve, liveRun, liveStage } from "../../support/live_runs.ts";

const param = (path: string, value: unknown) => ({ path, value, origin: [] });

/** Returns a run whose training is still going on, or done. */
function trained(source: string, learningRate: unknown, isDone: boolean, seed: number = 0) {
  const made = { kind: "train", version: "3", params: { learningRate }, seed, inputs: {}, externals: {} };
  const experiment: Experiment = {
    ...{ source, label: "", select: {}, uses: new Map(), planned: [], artifacts: [], unknown: [] },
    stages: new Map([["train", "train"], ["sample", "sample"]]),
    missing: isDone ? ["sample"] : ["train", "sample"],
    made: new Map(isDone ? [["train", made]] : []),
  };
  const params = [param("with.learningRate", learningRate), param("with.clip", 1), param("seed", seed)];
  const stages = [
    liveStage("train", { params, previews: [10, 20], state: isDone ? "ran" : "running" }),
    liveStage("train~of=other", { previews: [10], params: [param("with.clip", learningRate)] }),
  ];
  return {
    experiment,
    now: { run: liveRun({ runId: source, stages }), curves: [curve("train", 20), curve("train~of=other", 5)] },
  };
}

Deno.test("runs that go on are compared by what their plans and they themselves say", async () => {
  const all = [trained("first", 0.1, true), trained("second", 0.1000001, false)];
  const compared = await compareExperiments(all);
  const { comparison, parts } = compared;
  assertEquals(comparison.names, ["first", "second"]);
  // A param that one result does not record, because it has its default, is no difference.
  assertEquals(comparison.params, [{ path: "train.learningRate", values: [0.1, 0.1000001] }]);
  // Figures are rounded, settings are not.
  assertEquals(sheetOf(comparison, parts), [["", "train.learningRate"], ["first", "0.1"], ["second", "0.1000001"]]);
  const page = comparisonPage(compared);
  assertEquals(
    page.curves.map(({ title, runs }) => [title, ...runs.map(({ label, rows }) => `${label} ${rows.length}`)]),
    [
      ["train", "learningRate=0.1 20", "learningRate=0.1000001 20"],
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

Deno.test("losses of different objectives have charts of their own, and what is missing is told by the names of runs", async () => {
  const of = (source: string, objective: string, learningRate: number) => {
    const { experiment, now } = trained(source, learningRate, false);
    const stages = [
      liveStage("train", { params: [param("with.objective", objective), param("with.lr", learningRate)] }),
    ];
    return { experiment, now: { run: { ...now.run, stages }, curves: now.curves.slice(0, 1) } };
  };
  const page = comparisonPage(await compareExperiments([of("a", "eps", 1), of("b", "v", 1), of("c", "v", 2)]));
  assertEquals(page.curves.map(({ title, runs }) => [title, runs.length]), [
    ["train, objective eps", 1],
    ["train, objective v", 2],
  ]);
  assertEquals(
    page.notes,
    ["objective=eps lr=1", "objective=v lr=1", "objective=v lr=2"].map((name) => {
      return `"${name}" has no results`;
    }),
  );
});

Deno.test("data that networks see on another scale has losses that cannot be compared", async () => {
  const scaled = (source: string, range: readonly number[]) => {
    const stages = [liveStage("train", {}), liveStage("data", { params: [param("with.normalize", { range })] })];
    return {
      ...trained(source, 0.1, true),
      now: { run: liveRun({ runId: source, stages }), curves: [curve("train", 20)] },
    };
  };
  const without = async (...ends: readonly number[]) => {
    const all = ends.map((end, i) => scaled(["first", "second"][i]!, [0, end]));
    return (await compareExperiments(all)).comparison.without.filter((text) => !text.includes("no result"));
  };
  assertEquals(await without(2000, 2000), []);
  assertMatch(
    (await without(2000, 65535)).join(),
    /^these differ in data.normalize.*: losses and distances of pixels /,
  );
});

Deno.test("curves are named by links to their runs, in the words above them and in the data of their legends", async () => {
  const all = [trained("first", 0.1, true), trained("second", 0.2, false)];
  const compared = await compareExperiments(all);
  const page = comparisonPage(compared);
  const { html } = partsOf(page).find(({ id }) => id === "curves")!;
  const names = [...html.matchAll(/<p>(<a .*?): 20 points/g)].map(([, name]) => name);
  assertEquals(names, [
    `<a href="/run/first">learningRate=0.1</a>`,
    `<a href="/run/second">learningRate=0.2</a>`,
  ]);
  assertEquals(page.curves[0]!.runs.map(({ href }) => href), ["/run/first", "/run/second"]);
});

Deno.test("a value that a result does not record, because it is the default, is shown as the plan has it", async () => {
  const of = (source: string, params: object, objective: string) => {
    const { experiment } = trained(source, 0.1, true);
    const line = { id: "train", kind: "train", reads: [], state: "cached", result: null };
    const made = new Map([["train", { ...experiment.made.get("train")!, params: { ...params } }]]);
    return {
      experiment: { ...experiment, made, planned: [{ ...line, params: [param("with.objective", objective)] }] },
    };
  };
  const { comparison, parts } = await compareExperiments([of("one", {}, "eps"), of("two", { objective: "v" }, "v")]);
  assertEquals(sheetOf(comparison, parts), [["", "train.objective"], ["one", "eps"], ["two", "v"]]);
  // Beside one whose plan is not known, a default is no difference.
  const bare = { experiment: { ...of("bare", {}, "").experiment, planned: [] } };
  assertEquals((await compareExperiments([of("one", {}, "eps"), bare])).comparison.params, []);
});

Deno.test("params of a program are named like those of a built-in stage, and what starts it only where programs differ", async () => {
  const of = (source: string, kind: string, params: ReturnType<typeof param>[]) => {
    const { experiment } = trained(source, 0.1, false);
    return {
      experiment,
      now: { run: liveRun({ runId: source, stages: [liveStage("train", { kind, params })] }), curves: [] },
    };
  };
  const program = (source: string, rate: number, run: string) =>
    of(source, "command", [
      ...[param("with.run", [run]), param(`with.sources.${run}`, run), param("with.interpreter", "Python 3")],
      ...[param("with.params.learningRate", rate), param("with.steps", 9)],
    ]);
  const own = of("own", "train", [param("with.learningRate", 0.1), param("with.steps", 5)]);
  const differing = async (...all: ReturnType<typeof of>[]) =>
    (await compareExperiments(all)).comparison.params.map(({ path }) => path);
  assertEquals(await differing(own, program("a", 0.2, "a")), ["train.learningRate", "train.steps"]);
  assertEquals(await differing(program("a", 0.1, "a"), program("b", 0.2, "b")), [
    "train.with.run",
    "train.learningRate",
  ]);
});

/** Returns matrix children of one run, the first of which are at work, and which all use a shared stage. */
function children(source: string, rates: readonly number[], atWork: number) {
  const learned = rates.map((lr, i) => {
    const params = [param("with.learningRate", lr), param("with.clip", 1)];
    return liveStage(`train~lr=${lr}@9`, { params, ...i < atWork && { state: "running", previews: [10, 20] } });
  });
  const images = liveStage("images", { state: "ran", params: [param("with.limit", rates.length)] });
  const run = liveRun({ runId: source, stages: [images, ...learned] });
  const curves = learned.slice(0, atWork).map(({ id }) => curve(id, 20));
  const store = null as unknown as Store;
  const experiments = experimentsOf(source, run.stages.map(({ id }) => [id, undefined] as const), store);
  return experiments.map((experiment) => ({ experiment, now: { run, curves } }));
}

Deno.test("children of a matrix are compared while they are at work, and those that wait by their params", async () => {
  const compared = await comparedOf(children("a", [1, 2, 3], 2));
  assertEquals(compared.parts.map(({ label }) => label), ["lr=1", "lr=2", "lr=3"]);
  assertEquals(compared.comparison.params, [{ path: "train@9.learningRate", values: [1, 2, 3] }]);
  const page = comparisonPage(compared);
  const lines = page.curves.map((
    { title, runs },
  ) => [title, ...runs.map(({ label, rows }) => `${label} ${rows.length}`)]);
  assertEquals(lines, [["train@9", "lr=1 20", "lr=2 20"]]);
  const samples = partsOf(page).find(({ id }) => id === "samples")!.html;
  assertEquals([...samples.matchAll(/src="(.*?)"/g)].map(([, src]) => decodeURIComponent(src!)), [
    ...[1, 2].flatMap((lr) => [10, 20].map((step) => `/preview/a/train~lr=${lr}@9/${step}.png`)),
  ]);
  assertEquals([...samples.matchAll(/<figcaption>(.*?) sampled/g)].map(([, caption]) => caption), [
    ...[1, 2].map((lr) => `<a href="/run/a"><b>lr=${lr}: train@9: preview, after 20 steps</b></a>`),
  ]);
  // The shared stage's params are in the plan too, and differ between the runs.
  const two = await comparedOf([...children("a", [1, 2], 2), ...children("b", [1], 1)]);
  assertEquals(two.comparison.params, [
    { path: "images.limit", values: [2, 2, 1] },
    { path: "train@9.learningRate", values: [1, 2, 1] },
  ]);
});

function comparedOf(all: ReturnType<typeof children>) {
  return compareExperiments(all);
}

Deno.test("children of a matrix are named by its values, and by what differs between the runs that have these", async () => {
  const child = (source: string, axis: string, learningRate: number, clip: number) => {
    const { experiment, now } = trained(source, learningRate, true);
    const [train, ...others] = now.run.stages;
    const stages = [{ ...train!, params: [...train!.params.slice(0, 1), param("with.clip", clip)] }, ...others];
    return { experiment: { ...experiment, label: axis }, now: { ...now, run: { ...now.run, stages } } };
  };
  const labelsOf = async (...all: ReturnType<typeof child>[]) =>
    (await compareExperiments(all)).parts.map(({ label }) => label);
  const first = [child("a", "lr=1", 1, 5), child("a", "lr=2", 2, 5)];
  assertEquals(await labelsOf(...first), ["lr=1", "lr=2"]);
  assertEquals(await labelsOf(...first, child("b", "lr=1", 1, 6), child("b", "lr=3", 3, 6)), [
    ...["lr=1 clip=5", "lr=2", "lr=1 clip=6", "lr=3"],
  ]);
  // Two runs with the same params and seed began in the same minute, so only their ids differ.
  assertEquals(await labelsOf(...first.slice(1), child("b", "lr=2", 2, 5)), ["a lr=2", "b lr=2"]);
});

Deno.test("without runs, experiments that have no results are left out", async () => {
  const all = [trained("first", 0.1, true), trained("second", 0.2, false)];
  const { comparison } = await compareExperiments(all.map(({ experiment }) => ({ experiment })));
  assertEquals(comparison.names, ["first"]);
});

Deno.test("a run is named by the params that tell it from others, else by its seed too, else by when it began", async () => {
  const headsOf = async (...all: ReturnType<typeof trained>[]) => {
    const compared = await compareExperiments(all);
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
  // The stage's seed equals the run's.
  assertEquals(params.map(({ path }) => path), ["train.learningRate"]);
  const evil = await headsOf(trained("a", "<img>", true), trained(`"<b>`, 0.2, true));
  assertEquals(evil.heads.map(([title, , label]) => [title, label]), [
    ["a", "learningRate=&#60;img&#62;"],
    ["&#34;&#60;b&#62;", "learningRate=0.2"],
  ]);
  const alike = trained("later", 0.1, true);
  const later = { ...alike, now: { ...alike.now, run: { ...alike.now.run, startedMs: Date.UTC(2026, 10, 26, 9, 0) } } };
  const twice = await compareExperiments([trained("a", 0.1, true), later]);
  assertEquals(twice.parts.map(({ label }) => label), ["2026-11-25 10:15", "2026-11-26 09:00"]);
});

Deno.test("trials of a search are named by themselves and their steps in the table and on the page, not by their slots", async () => {
  const ids = ["train~trial=1", "train~trial=2", "train~rung=300~slot=1", "train-ranking~rung=100", "train"];
  const stages = ids.map((id, i) => liveStage(id, { state: "ran", params: [param("with.rate", i)] }));
  const run = liveRun({ runId: "a", stages });
  const ranking = [{ candidate: 1, value: 0.1 }, { candidate: 0, value: 0.2 }];
  const text = JSON.stringify({ format: 1, metric: "L_simple", goal: "lowest", ranking });
  const selection = {
    ...{ type: "selection" as const, digest: "1", files: [{ path: "selection.json", size: text.length, sha256: "1" }] },
    ...{ read: () => Promise.resolve(new TextEncoder().encode(text)), readText: () => Promise.resolve(text) },
  };
  const own = experimentsOf("a", ids.map((id) => [id, undefined] as const), null as unknown as Store)
    .map((one) =>
      one.label === "rung=100" ? { ...one, artifacts: [{ title: "train-ranking", artifact: selection }] } : one
    );
  const { comparison, parts, searches } = await compareExperiments(
    own.map((experiment) => ({ experiment, now: { run, curves: ids.slice(0, 3).map((id) => curve(id, 20)) } })),
  );
  const names = ["trial 1 to 100 steps", "trial 2 to 100 steps", "trial 2 to 300 steps"];
  assertEquals(sheetOf(comparison, parts).slice(1, 4).map(([name]) => name), names);
  const page = comparisonPage({ comparison, parts, searches, notes: [] });
  assertEquals(page.curves.flatMap(({ runs }) => runs.map(({ label }) => label)), names);
});
