import { assert, assertEquals, assertMatch } from "@std/assert";
import { Site } from "../../../pages/server/site.ts";
import { readFigures, RunReader } from "../../../engine/live/run_reader.ts";
import { readTail } from "../../../engine/store/reading.ts";
import { openStore } from "../../../engine/store/store.ts";
import type { Json } from "../../support/cli_process.ts";
import { partsOf } from "../../../pages/report/page.ts";
import { Project } from "../../support/project.ts";

/** A stage that learns nothing but reports a loss: 1, 1/2, 1/3 …, and 2 at the end. */
const LEARN = `import { defineStage, execution, extent } from "noiseline";
import { z } from "zod";
const start = [137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 4, 0, 0, 0, 4];
const png = (size) => new Uint8Array([...start, ...new Array(size).fill(7)]);
export default defineStage({
  summary: "Pretends to learn",
  params: z.strictObject({ steps: extent(z.int().default(4)), holdAt: execution(z.int().default(0)) }),
  inputs: {},
  outputs: { out: { type: "files", description: "Nothing" } },
  async run({ params: { steps, holdAt }, report, preview, outputs }) {
    console.log("learning");
    for (let step = 1; step <= steps; step++) {
      const loss = step === steps ? 2 : 1 / step;
      report({ done: step, total: steps, unit: "step", figures: { loss, rate: step === 2 ? NaN : 0.5, phase: "warm" } });
      if (step === 2) preview({ step, png: png(20), seconds: 0.5 });
      if (step === 3) preview({ step, png: new Uint8Array(20) });
      if (step === 3) preview({ step, png: new Uint8Array(2_000_000) });
      // Progress that comes faster is passed over.
      await new Promise((resolve) => setTimeout(resolve, step === holdAt ? 600_000 : 120));
    }
    await outputs.out.write("text.txt", "a");
  },
});
`;

const PIPELINE = `name: demo
seed: 3
stages:
  learn: { uses: ./learn.ts }
  cook: { uses: ./cook.ts, inputs: { from: learn }, with: { text: a } }
`;

const FILES = { "p.yaml": PIPELINE, "learn.ts": LEARN };

const readerOf = (project: Project) => new RunReader(openStore(project.path(".noiseline")));

Deno.test("a run leaves its plan, its figures with their history, and previews; what is cached has those of the run that made it", async () => {
  await using project = new Project({ stages: ["cook"], files: FILES });
  const { code, events, stderr } = await project.cli(["run", "p.yaml", "--json"]);
  assertEquals(code, 0, stderr + JSON.stringify(events.slice(-4)));
  const reader = readerOf(project);
  const [run] = reader.readRuns();
  const folder = `.noiseline/runs/${run!.runId}`;

  const of = (type: string) => events.filter((event: Json) => event.type === type && event.id === "learn");
  assertEquals(of("stage-preview").map(({ step, path }) => [step, path]), [
    [2, project.path(folder, "previews/learn/2.png")],
  ]);
  assertEquals(Deno.statSync(project.path(folder, "previews/learn/2.png")).size, 44);
  // One warning, however many previews are invalid.
  assertEquals(of("stage-note").map(({ message }) => message), [
    "a preview is a PNG of at most 750000 bytes; it is left out",
  ]);
  assertEquals(of("stage-progress").at(-1).update.figures, { loss: 2, rate: 0.5, phase: "warm" });

  const plan = JSON.parse(project.read(`${folder}/plan.json`));
  assertEquals(plan.stages.map(({ id, kind, reads, state, result }: Json) => [id, kind, reads, state, result]), [
    ["learn", "./learn.ts", [], "run", null],
    ["cook", "./cook.ts", ["learn"], "run", null],
  ]);
  // Settings that do not affect a result are not among the params.
  assertEquals(plan.stages[0].params, [{ path: "with.steps", value: 4, origin: ["default"] }]);
  const [text] = plan.stages[1].params.filter(({ path }: Json) => path === "with.text");
  assertMatch(text.origin[0], /^p\.yaml:5:/);

  const figures = { loss: { last: 2, lowest: 1 / 3, at: 3 }, rate: { last: 0.5, lowest: 0.5, at: 1 } };
  assertEquals(JSON.parse(project.read(`${folder}/run.json`)).stages.learn.figures, figures);
  const place = reader.placeOf(run!.runId, "learn")!;
  const { rows, next } = readFigures(place);
  assertEquals(rows.map(({ step, figures }) => [step, figures]).at(-1), [4, { loss: 2, rate: 0.5 }]);
  assertEquals(readFigures(place, next), { rows: [], next });
  assertEquals(readTail(place.runs.logPath(place.runId, place.stage), 9), "");
  assertMatch(readTail(place.runs.logPath(place.runId, place.stage), 10_000)!, /^learning\n/);
  const [learn, cook] = run!.stages;
  assertEquals([learn!.state, learn!.figures, learn!.previews], ["ran", figures, [2]]);
  assertEquals([cook!.state, cook!.reads, cook!.figures, cook!.previews], ["ran", ["learn"], {}, []]);

  assertEquals((await project.cli(["tag", "first", "p.yaml"])).code, 0);
  assertEquals((await project.cli(["run", "p.yaml", "--set", "cook.text=b"])).code, 0);
  const [second, first] = reader.readRuns();
  assertEquals([second!.state, second!.overrides, first!.tags, second!.tags], ["done", ["cook.text=b"], ["first"], []]);
  assertEquals(second!.stages.map(({ id, state, figures, previews }) => [id, state, figures, previews]), [
    ["learn", "cached", figures, [2]],
    ["cook", "ran", {}, []],
  ]);
  assertEquals(reader.placeOf(second!.runId, "learn")!.runId, run!.runId);
  assertEquals(reader.placeOf(second!.runId, "nothing"), undefined);
});

Deno.test("a run is seen while it is on, and how far it was when it was killed", async () => {
  await using project = new Project({ stages: ["cook"], files: FILES });
  await using running = project.start(["run", "p.yaml", "--set", "learn.holdAt=3", "--json"]);
  await running.event(({ type }) => type === "run-started");
  const reader = readerOf(project);
  const look = () => reader.readRuns()[0]?.stages[0];
  for (let tries = 0; look()?.progress?.done !== 3; tries++) {
    assert(tries < 600, JSON.stringify(look()));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { state, progress, figures, previews, startedMs } = look()!;
  assertEquals([state, progress!.total, progress!.unit, figures["loss"]], [
    ...["running", 4, "step"],
    { last: 1 / 3, lowest: 1 / 3, at: 3 },
  ]);
  assertEquals([previews, reader.readRuns()[0]!.state, reader.readRuns()[0]!.stages[1]!.state], [
    ...[[2], "running", "run"],
  ]);
  running.signal("SIGKILL");
  await running.outcome();
  const [killed] = reader.readRuns();
  assertEquals([killed!.state, ...killed!.stages.map((one) => one.state)], ["killed", "killed", "blocked"]);
  assertEquals([look()!.progress!.done, look()!.startedMs, look()!.figures], [3, startedMs, figures]);
  // A reader that starts now finds the same.
  assertEquals(readerOf(project).readRuns(), [killed]);
});

/** A stage that leaves a log of three steps, or hangs for ten minutes after the second. */
const CHILD = `import { defineStage } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Pretends to learn",
  params: z.strictObject({ rate: z.number(), clip: z.number().default(1) }),
  inputs: {},
  outputs: { log: { type: "log", description: "Losses" } },
  async run({ params: { rate }, report, preview, outputs }) {
    const rows = [1, 2, 3].map((step) => ({ step, loss: rate / step, gradNorm: 1, learningRate: rate }));
    for (const { step, ...figures } of rows) {
      if (rate === 2 && step === 3) await new Promise((resolve) => setTimeout(resolve, 600_000));
      report({ done: step, total: 3, unit: "step", figures });
      const start = [137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 4, 0, 0, 0, 4];
      preview({ step, png: new Uint8Array([...start, step]), seconds: 0.5 });
      await new Promise((resolve) => setTimeout(resolve, 1_200));
    }
    await outputs.log.write("log.jsonl", rows.map((row) => JSON.stringify(row) + "\\n").join(""));
  },
});
`;
const CHILDREN = `name: demo
stages:
  learn: { uses: ./child.ts, matrix: { by: [1, 2, 3] }, with: { rate: "\${matrix.by}" } }
`;

Deno.test("children of a matrix are compared while one is at work, one done and one waits; each has one curve by its name", async () => {
  await using project = new Project({ files: { "p.yaml": CHILDREN, "child.ts": CHILD } });
  await using running = project.start(["run", "p.yaml", "--jobs", "1", "--json"]);
  await running.event(({ type, id, step }) => type === "stage-preview" && id === "learn~by=2" && step === 2);
  const [runId] = project.list(".noiseline/runs");
  const site = new Site({ store: project.path(".noiseline") });
  const look = async (path: string) => (await site.look(new URL(path, "http://localhost/")))!.page;
  const linesOf = async (path: string) =>
    (await look(path)).curves.map((
      { title, runs },
    ) => [title, ...runs.map(({ label, rows }) => `${label} ${rows.length}`)]);
  const compare = `/compare?run=${runId}`;
  for (let tries = 0; !`${await linesOf(compare)}`.includes("by=2 2"); tries++) {
    assert(tries < 600, `${await linesOf(compare)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assertEquals(await linesOf(compare), [["learn", "by=1 3", "by=2 2"]]);
  assertEquals(await linesOf(`/run/${runId}`), [["learn", "learn~by=1 3", "learn~by=2 2"]]);
  const parts = new Map(partsOf(await look(compare)).map(({ id, html }) => [id, html]));
  assertMatch(parts.get("params")!, /<td>learn.rate<\/td><td>1<\/td><td>2<\/td><td>3<\/td>/);
  const sources = [...parts.get("samples")!.matchAll(/src="(.*?)"/g)].map(([, source]) => decodeURIComponent(source!));
  const places = ["learn~by=1/1", "learn~by=1/2", "learn~by=1/3", "learn~by=2/1", "learn~by=2/2"];
  assertEquals(sources, places.map((place) => `/preview/${runId}/${place}.png`));
  assertEquals(site.previewOf(runId!, "learn~by=2", "2.png")!.at(-1), 2);
  running.signal("SIGKILL");
  await running.outcome();
});
