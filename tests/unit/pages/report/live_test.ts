import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { collectArtifacts } from "../../../../pages/report/collect.ts";
import type { LiveRun } from "../../../../pages/live/model.ts";
import { liveContent, renderRun } from "../../../../pages/live/run.ts";
import { renderTable, type TableDetails } from "../../../../pages/live/table.ts";
import { noContent } from "../../../../pages/report/model.ts";
import { type Page, partsOf, renderServed } from "../../../../pages/report/page.ts";
import { stageTable } from "../../../../pages/report/stages.ts";
import { curve, liveRun, liveStage, manyRuns, score } from "../../../support/live_runs.ts";
import { timeIn } from "../../../support/clock.ts";

const EVIL = `"><img src=x onerror=alert(1)><script>alert(1)</script>'`;

function tableOf(runs: readonly LiveRun[], query = "", details?: TableDetails): string {
  return renderServed(renderTable(runs, new URLSearchParams(query), details));
}

/** Returns the cells of each row of a table as text. */
function cellsIn(html: string): string[][] {
  return [...html.matchAll(/<tr[ >].*?<\/tr>|<tr>.*?<\/tr>/gs)].map(([row]) =>
    [...row.matchAll(/<t[hd].*?>(.*?)<\/t[hd]>/gs)].map(([, cell]) =>
      cell!.replaceAll(/<[^>]*>/g, "").replaceAll("\n", " ").trim()
    )
  );
}

const withLoss = (runId: string, last: number, more: Partial<LiveRun> = {}) =>
  liveRun({
    runId,
    state: "done",
    endedMs: Date.UTC(2026, 10, 25, 10, 16),
    stages: [liveStage("train", { state: "ran", figures: { loss: { last, lowest: last / 2, at: 1_500 } } })],
    ...more,
  });

Deno.test("a run with a search says how many trials it has, not of which rungs and slots it is made", () => {
  const ids = ["train~trial=1", "train~trial=2", "train-ranking~rung=100", "train~rung=300~slot=1", "train"];
  const [, [first] = []] = cellsIn(tableOf([liveRun({ stages: ids.map((id) => liveStage(id)) })]));
  assertMatch(first!, / · 2 trials$/);
  const sweep = ["train~lr=1~seed=0", "train~lr=2~seed=0"].map((id) => liveStage(id));
  assertMatch(cellsIn(tableOf([liveRun({ stages: sweep })]))[1]![0]!, / · lr × seed$/);
});

Deno.test("a table of runs shows the columns that say something, and of runs at work how far they are", () => {
  const [head, row] = cellsIn(tableOf([liveRun({ tags: ["best"] })]));
  assertEquals(head, ["run", "state", "tags", "step", "time left", "loss now"]);
  assertEquals(row, [
    "first run 2026-11-25 10:15",
    "running train",
    "best",
    "1,200 of 3,000",
    "1m 32s",
    "0.0612",
  ]);
  assertEquals(cellsIn(tableOf([withLoss("a", 0.5)])), [
    ["run", "state", "last loss", "took"],
    ["first run 2026-11-25 10:15", "done", "0.5", "1m 00s"],
  ]);
});

Deno.test("a row speaks of one stage, of a training also beside another stage that has a loss, and names those at work", () => {
  const figures = (last: number) => ({ loss: { last, lowest: last / 2, at: 7 } });
  const far = (done: number) => ({ progress: { done, total: 100, unit: "step" }, etaMs: done * 1_000 });
  const stage = (id: string, kind: string, state: string, loss?: number) =>
    liveStage(id, { kind, state, ...loss && { figures: figures(loss), ...state === "ran" ? {} : far(100 * loss) } });
  const rowOf = (state: LiveRun["state"], ...stages: LiveRun["stages"]) => {
    const lossAt: TableDetails["lossAt"] = (_, { figures }) => figures["loss"] && figures["loss"].last * 10;
    const [head, row] = cellsIn(tableOf([liveRun({ state, stages })], "at=5", { lossAt }));
    return head!.slice(1).map((name, i) => `${name.replace(/ now|last /, "")}: ${row![i + 1]}`).join("; ");
  };
  const [train, classifier] = [stage("train", "train", "running", 0.5), stage("c", "classifier", "running", 0.2)];
  const ofTrain = "loss: 0.5; loss at 5 or just before: 5";
  const atWork = `step: 50 of 100; time left: 50s; ${ofTrain}`;
  assertEquals(rowOf("running", train, classifier), `state: running train, c; ${atWork}`);
  const ran = { ...stage("train", "train", "ran", 0.5), durationMs: 1 };
  assertEquals(rowOf("running", ran, classifier), `state: running c; ${ofTrain}`);
  assertEquals(rowOf("done", ran, { ...classifier, state: "ran" }), `state: done; ${ofTrain}`);
  // The first of two trainings is over.
  const second = stage("second", "train", "running", 0.1);
  const ofSecond = "state: running second; step: 10 of 100; time left: 10s; loss: 0.1; loss at 5 or just before: 1";
  assertEquals([rowOf("running", ran, second), rowOf("running", second, ran)], [ofSecond, ofSecond]);
  // Before any training has a loss, the row describes the last stage that has one, or is at work.
  const waiting = liveStage("train", { kind: "train" });
  assertMatch(rowOf("running", waiting, classifier), /^state: running c; step: 20 of 100; time left: 20s; loss: 0.2/);
  assertEquals(rowOf("running", stage("data", "dataset", "running"), waiting), "state: running data");
  assertEquals(rowOf("failed", ran, stage("data", "dataset", "failed")), `state: failed data; ${ofTrain}`);
});

Deno.test("a count of runs has its noun", () => {
  assertStringIncludes(tableOf([liveRun()]), "<p>1 run in this store, 1 running</p>");
  assertStringIncludes(tableOf([]), "<p>0 runs in this store, 0 running</p>");
});

Deno.test("rows are sorted by the address, within each pipeline, and runs without a value come last", () => {
  const runs = [
    withLoss("a", 0.3),
    withLoss("b", 0.1),
    liveRun({ runId: "none", stages: [] }),
    withLoss("c", 0.2),
    withLoss("e", 9, { pipeline: "emoji" }),
  ];
  const idsOf = (query: string) => [...tableOf(runs, query).matchAll(/id="run-(\w+)"/g)].map(([, id]) => id).join(" ");
  assertEquals(idsOf(""), "a b none c e");
  assertEquals(idsOf("sort=loss"), "b c a none e");
  assertEquals(idsOf("sort=-loss"), "a c b none e");
  // Sorting also works by a column that is not shown; a column that does not exist has no effect.
  assertEquals(idsOf("sort=loss&column=state"), "b c a none e");
  assertEquals(idsOf("sort=nothing"), "a b none c e");
  const html = tableOf(runs, "sort=loss&q=digits");
  assertStringIncludes(html, `aria-sort="ascending"><a href="/?sort=-loss&#38;q=digits">loss now</a>`);
  assertEquals(idsOf("q=DIGITS+running"), "none");
  assertStringIncludes(tableOf(runs, "q=nowhere"), "No run matches all of these words");
});

Deno.test("columns are chosen in the address: any param that differs, the loss at a step", () => {
  const param = (path: string, value: unknown) => ({ path, value, origin: [] });
  const trained = (runId: string, count: number) => {
    const params = [param("with.steps", 10), ...Array.from({ length: 6 }, (_, i) => param(`with.p${i}`, count + i))];
    return withLoss(runId, 1, {
      stages: [liveStage("train", { params, figures: { loss: { last: 1, lowest: 1, at: 1 } } })],
    });
  };
  const runs = [trained("a", 1), trained("b", 2)];
  const first = ["train.p0", "train.p1", "train.p2", "train.p3"];
  assertEquals(cellsIn(tableOf(runs))[0]!.filter((title) => title.startsWith("train")), first);
  assertEquals(cellsIn(tableOf(runs, "column=param:train.p5&column=host"))[0], ["run", "train.p5", "host"]);
  const lossAt = ({ runId }: LiveRun, _: unknown, step: number) => runId === "a" ? step / 1_000 : undefined;
  assertEquals(cellsIn(tableOf(runs, "at=500&column=state", { lossAt })), [
    ["run", "state", "loss at 500 or just before"],
    ["train.p0 2 → 1; train.p1 3 → 2; 4 more 2026-11-25 10:15", "done", "0.5"],
    ["first run 2026-11-25 10:15", "done", ""],
  ]);
  assertEquals(cellsIn(tableOf(runs, "at=-1&column=state", { lossAt }))[0], ["run", "state"]);
});

Deno.test("scores are means over seeds where there are any, else one value or the range of several", () => {
  const scoreIn = (more: Partial<LiveRun>) => cellsIn(tableOf([liveRun({ stages: [], ...more })]))[1]!.at(-1);
  assertEquals(scoreIn({ scores: [score("evaluate", 3.14159, 0.25)] }), "3.14 ± 0.25");
  const children = [score("evaluate~seed=1", 3), score("evaluate~seed=2", 2), score("evaluate~seed=3", 4)];
  assertEquals(scoreIn({ scores: children }), "2 … 4");
  const means = [{ stage: "evaluate", metric: "FD-classifier", value: 3, deviation: 1, seeds: 3 }];
  assertEquals(scoreIn({ scores: [...children, ...means] }), "3.0 ± 1.0 of 3 seeds");
  assertEquals(scoreIn({ scores: [{ ...means[0]!, value: 5, deviation: 0 }] }), "5 of 3 seeds");
  assertEquals(scoreIn({ scores: [{ ...means[0]!, value: 5 }, ...means] }), "3 … 5");
});

Deno.test("scores that tell runs apart come before those that do not, distances first; seeds of stages are one", () => {
  const seed = (value: number) => [{ path: "seed", value, origin: [] }];
  const run = (value: number, ...metrics: string[]) => {
    const scores = ["L_T", ...metrics, "FD-classifier"].map((metric) => {
      return { stage: "score", metric, value: metric === "L_T" ? 1 : value };
    });
    const stages = [liveStage("train", { params: seed(value) }), liveStage("sample", { params: seed(value) })];
    return liveRun({ runId: `r${value}`, state: "done", stages, scores });
  };
  const columns = (...metrics: string[]) => cellsIn(tableOf([run(2, ...metrics), run(3, ...metrics)]))[0];
  assertEquals(columns("a"), ["run", "state", "seed", "score FD-classifier", "score a", "score L_T"]);
  // Further scores are shown on request.
  assertEquals(columns("a", "KD-b"), ["run", "state", "seed", "score FD-classifier", "score KD-b", "score a"]);
});

Deno.test("what waits is said to run, or that it may", () => {
  const text =
    stageTable([liveStage("a"), liveStage("b", { state: "may-run" }), liveStage("c", { state: "cached" })]).text;
  assertEquals([...text.matchAll(/<span class="state (.*?)">(.*?)</g)].map(([, ...own]) => own), [
    ["run", "to run"],
    ["may-run", "may run"],
    ["cached", "cached"],
  ]);
});

Deno.test("500 runs are a page of 200, well below 2 MB, with links to the others", () => {
  const runs = manyRuns(500);
  const pages = ["", "page=2", "page=3", "page=99"].map((query) => tableOf(runs, query));
  assertEquals(pages.map((html) => html.split('id="run-').length - 1), [200, 200, 100, 100]);
  assert(pages.every(({ length }) => length < 500_000));
  assertMatch(
    pages[1]!,
    /<a href="\/\?page=1">1<\/a> <a href="\/\?page=2" aria-current="page">2<\/a> <a href="\/\?page=3">3<\/a>/,
  );
  const ids = pages.slice(0, 3).flatMap((html) => [...html.matchAll(/id="run-(\S+)"/g)].map(([, id]) => id));
  assertEquals(new Set(ids).size, 500);
});

Deno.test("the page of a run says how it stands, and has a place for each part that may yet come", () => {
  const run = liveRun({ overrides: ["train.with.steps=3000"] });
  const page = renderRun(run, { curves: [curve("train", 30)], log: { stage: "train", text: "one\ntwo" } });
  const parts = new Map(partsOf(page).map(({ id, html }) => [id, html]));
  assertStringIncludes(
    parts.get("head")!,
    `<p role="status"><span class="state running">running</span> <b>train</b></p>`,
  );
  assertStringIncludes(parts.get("head")!, "step 1,200 of 3,000 <small>1m 32s left</small>");
  assertStringIncludes(parts.get("head")!, "train.with.steps=3000 · began 2026-11-25 10:15 UTC on ada");
  assertEquals(
    [...parts].filter(([, html]) => !/^<section[^>]* hidden>/.test(html)).map(([id]) => id),
    ["head", "contents", "overview", "training", "pipeline", "log", "params"],
  );
  assertStringIncludes(parts.get("log")!, `href="/log/${run.runId}/train"`);
  const previews = [...parts.get("overview")!.matchAll(/src="(.*?)" alt="(.*?)"/g)].map(([, src, alt]) => [src, alt]);
  assertEquals(previews[3], [
    `/preview/${run.runId}/train/1000.png`,
    "train: preview, after 1,000 steps. sampled while train was running",
  ]);
  // A page of a server contains neither style nor script, which its policy forbids.
  const html = renderServed(page, "/events?of=/run/x");
  assert(!/<style|style=|\son\w+=|javascript:/.test(html));
  assertEquals([...html.matchAll(/<script(.*?)>/g)].map(([, attributes]) => attributes), [
    ' type="application/json" id="data"',
    ' src="/app.js"',
  ]);
  assertStringIncludes(html, `data-events="/events?of=/run/x"`);
});

Deno.test("a run of which no stage has said anything has no section of logs, nor a link to one", () => {
  const html = renderServed(renderRun(liveRun(), { curves: [] }));
  assertStringIncludes(html, `<section id="log" aria-labelledby="log-title" hidden>`);
  assertStringIncludes(html, `<a href="#log" hidden>Log</a>`);
});

Deno.test("a preview says which sampler drew it", () => {
  const samplers = [{ name: "ddim", steps: 20, eta: 0 }, undefined, "odd", { name: "heun", steps: 9, rho: [7] }];
  const notes = samplers.map((sampler) => {
    const stages = [liveStage("train", { previews: [10], sampler })];
    return liveContent(liveRun({ stages }), [], noContent()).samples[0]!.note;
  });
  const drawn = "sampled while train was running";
  assertEquals(notes, [`${drawn}; ddim, 20 steps, eta 0`, drawn, drawn, `${drawn}; heun, 9 steps`]);
});

Deno.test("what children of a matrix have is one column by the name of their stage, and none where it is the same", () => {
  const run = (runId: string, steps: number) => {
    const stages = [1, 2].map((lr) => {
      const params = [["with.lr", lr], ["with.steps", steps], ["seed", lr]].map(([path, value]) => {
        return { path: `${path}`, value, origin: [] };
      });
      return liveStage(`train~lr=${lr}`, { params });
    });
    return liveRun({ runId, state: "done", stages });
  };
  assertEquals(cellsIn(tableOf([run("a", 10), run("b", 20)])).map((row) => row.slice(2)), [
    ["train.steps"],
    ["10"],
    ["20"],
  ]);
  const other = liveRun({ runId: "c", state: "done", stages: run("c", 10).stages.slice(1) });
  assertEquals(cellsIn(tableOf([run("a", 10), other])).map((row) => row.slice(2)), [
    ["train.lr", "train.seed"],
    ["1, 2", "1, 2"],
    ["2", "2"],
  ]);
});

Deno.test("curves of what a stage reports give way to the log that it leaves", async () => {
  const content = await collectArtifacts([]);
  const titles = ({ curves }: Page) => curves.map(({ title, runs }) => `${title} ${runs[0]!.rows.length}`);
  const curves = [curve("train", 5), curve("classifier", 7), { title: "none", rows: [] }];
  assertEquals(titles(renderRun(liveRun(), { curves, content })), ["train 5", "classifier 7"]);
  const done = { ...content, curves: [curve("train", 9)] };
  assertEquals(titles(renderRun(liveRun(), { curves, content: done })), ["train 9", "classifier 7"]);
});

Deno.test("a failure is told in its own words", () => {
  const stages = [liveStage("train", { state: "failed", message: "the loss is not a number\nmore", fix: "lower it" })];
  const [head] = partsOf(renderRun(liveRun({ state: "failed", stages }), { curves: [] }));
  assertStringIncludes(head!.html, "<p>the loss is not a number</p>");
  assertStringIncludes(head!.html, "<p>fix: lower it</p>");
  assertStringIncludes(head!.html, `<span class="state failed">failed</span> <b>train</b>`);
});

Deno.test("a run that stopped says where, and how to go on; one at work for how long, how fast and for how long still", () => {
  const said = (run: LiveRun) =>
    renderRun({ ...run, command: "deno task run a.yaml --set train.steps='<9>'" }, { curves: [] }).state!.text;
  const progress = { done: 450, total: 100_000, unit: "step", perSecond: 1.5 };
  const stages = [liveStage("train", { state: "interrupted", progress, fromStep: 300 })];
  const stopped = said(liveRun({ state: "interrupted", stages, startedMs: 0, endedMs: 30_000 }));
  assertMatch(stopped, /interrupted<.* at <b>train<\/b> after 30s.*step 450 of 100,000<\/p>/s);
  assertStringIncludes(stopped, "<p>train went on from step 300</p>");
  assertStringIncludes(stopped, "--set train.steps=&#39;&#60;9&#62;&#39;</button>");
  const atWork = [liveStage("train", { state: "running", progress, etaMs: 66_000_000 })];
  const running = said(liveRun({ stages: atWork, startedMs: timeIn({ seconds: -185 }) }));
  assertMatch(running, /for 3m 0\ds.*step 450 of 100,000 <small>1.5 a second, about 18h left/s);
  assert(!running.includes("Go on"));
});

Deno.test("of a run that waits for its jobs it is said that it waits, for which, and why", () => {
  const train = liveStage("train", { kind: "train", state: "waiting", message: "Resources" });
  const said = (...stages: LiveRun["stages"]) =>
    partsOf(renderRun(liveRun({ stages }), { curves: [] }))[0]!.html.replaceAll(/<[^>]*>/g, " ").replaceAll(
      /\s+/g,
      " ",
    );
  assertMatch(said(train), /waiting train for [\dhd ]+ Resources/);
  assertEquals(cellsIn(tableOf([liveRun({ stages: [train] })]))[1]!.slice(1), ["running train waiting"]);
  assertStringIncludes(said(train, liveStage("data", { state: "running" })), "running data");
});

Deno.test("the timeline shows when stages worked, and how long those waited that could have begun", () => {
  const [from, second] = [1_000_000, 1_000];
  const table = stageTable([
    liveStage("a", { startedMs: from, durationMs: 10 * second }),
    liveStage("b", { reads: ["a"], startedMs: from + 15 * second, durationMs: 5 * second }),
    liveStage("earlier", { startedMs: from - 5, durationMs: second }),
    liveStage("never"),
  ], from).text;
  const bars = [...table.matchAll(/<rect class="(\w+)[^"]*" x="(\S+)" y="\d+" width="(\S+)"/g)];
  assertEquals(bars.map(([, ...bar]) => bar.join(" ")), [
    "waited 0% 0%",
    "worked 0% 50%",
    "waited 50% 25%",
    "worked 75% 25%",
  ]);
  assertStringIncludes(table, "started 15s into the run after waiting 5.0s, ran 5.0s");
  for (const began of [undefined, NaN]) {
    assert(!stageTable([liveStage("a", { startedMs: from })], began).text.includes("timeline"));
  }
  const odd = [
    liveStage("odd", { startedMs: NaN }),
    liveStage("a", { reads: ["odd"], startedMs: from, durationMs: 1 }),
  ];
  const odds = stageTable(odd, from).text;
  assertEquals([odds.split("<svg").length, odds.includes("NaN")], [2, false]);
});

Deno.test("a server's pages link pictures and pages that draw; a file holds them or names what lies beside it", async () => {
  const artifact = (path: string) => ({
    digest: "d",
    files: [{ path, size: 1, sha256: "ab12" }],
    read: () => Promise.resolve(Uint8Array.of(1)),
    readText: () => Promise.resolve(""),
  });
  const items = [
    { title: "schedule", artifact: { ...artifact("schedule.svg"), type: "schedule" as const } },
    { title: "demo~a=1", artifact: { ...artifact("demo.html"), type: "files" as const } },
    { title: "other", artifact: { ...artifact("readme.txt"), type: "files" as const } },
  ];
  const facts = (
    { schedules, demos }: Awaited<ReturnType<typeof collectArtifacts>>,
  ) => [...schedules.map(({ source }) => source), ...demos.map(({ href }) => href)];
  assertEquals(facts(await collectArtifacts(items)), [Uint8Array.of(1), "demo~a%3D1/demo.html"]);
  assertEquals(facts(await collectArtifacts(items, { isServed: true })), ["/object/ab12.svg", "/page/ab12.html"]);
});

Deno.test("names of unknown origin cannot break out of any page", () => {
  const run = liveRun({
    ...{ runId: EVIL, pipeline: EVIL, file: EVIL, host: EVIL, overrides: [EVIL], tags: [EVIL] },
    stages: [liveStage(EVIL, {
      ...{ kind: EVIL, state: EVIL, reads: [EVIL], message: EVIL, numerics: EVIL, previews: [1, 2] },
      figures: { [EVIL]: { last: 1, lowest: 1, at: 1 } },
      progress: { done: 1, total: 2, unit: EVIL },
      params: [{ path: EVIL, value: EVIL, origin: [EVIL] }],
    })],
    scores: [score(EVIL, 1)],
  });
  const other = { ...run, runId: "b", stages: [{ ...run.stages[0]!, params: [{ path: EVIL, value: 1, origin: [] }] }] };
  const log = { stage: EVIL, text: EVIL };
  const curves = [{ title: EVIL, rows: [{ step: 1, [EVIL]: 1 }] }];
  for (
    const html of [tableOf([run, other], `q=&sort=${EVIL}&at=${EVIL}`), renderServed(renderRun(run, { curves, log }))]
  ) {
    assert(!html.includes("<img src=x"));
    assert(!html.includes("<script>alert"));
  }
});

Deno.test("of values of any length no more is shown than anybody reads", () => {
  const runs = ["a", "b"].map((name) => {
    const long = name.repeat(1_000_000);
    const params = [{ path: "with.text", value: long, origin: [long] }, { path: `with.${long}`, value: 1, origin: [] }];
    return liveRun({ runId: name, overrides: [long], stages: [liveStage("train", { params, message: long })] });
  });
  const page = renderServed(renderRun(runs[0]!, { curves: [] }));
  assert(page.length < 50_000, `${page.length}`);
  assertStringIncludes(page, `${"a".repeat(2_000)}…`);
  assertStringIncludes(cellsIn(tableOf(runs))[1]!.join(), `${"a".repeat(200)}…`);
});

Deno.test("a row has a picture of the run's samples and a small curve of its loss, where there are any", () => {
  const runs = [withLoss("a", 0.5), withLoss("b", 0.4)];
  const html = tableOf(runs, "", {
    pictureOf: ({ runId }) => runId === "a" ? `/object/${EVIL}.png` : undefined,
    lossesOf: ({ runId }) => runId === "a" ? [1, 0.5, NaN, 0, 0.1] : [1],
  });
  assertEquals(cellsIn(html)[0]![1], "samples");
  assert(!html.includes("<img src=x"));
  assertEquals(html.split('class="thumbnail"').length - 1, 1);
  // Three losses have logarithms; one makes no curve.
  assertEquals([...html.matchAll(/points="([^"]*)"/g)].map(([, points]) => points), ["0.0,1.0 40.0,6.4 80.0,19.0"]);
});
