/**
 * These tests are in one file because they share the kinds and runs on which the commands about results are tried.
 *
 * @module
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { z } from "zod";
import { listFiles } from "../../../engine/store/folders.ts";
import { openStore } from "../../../engine/store/store.ts";
import { type BuiltinKind, defineKind } from "../../../engine/contract/stage.ts";
import { metricName, type MetricRow } from "../../../pages/results/metric_rows.ts";
import { makeTempFolder } from "../engine/support/temp.ts";
import { runCliWith } from "./capture.ts";
import { judgeKind } from "./judge_kind.ts";
import { newRunId } from "../../../engine/store/run_ids.ts";

/** A kind whose figure depends on the seed, and which may read the figure of another stage. */
const drawKind = defineKind({
  ...judgeKind,
  kind: "draw",
  seeded: true,
  inputs: { from: { type: "metrics", optional: true, description: "Another figure" } },
});

const KINDS = { judge: judgeKind, draw: drawKind } as unknown as Readonly<Record<string, BuiltinKind>>;
const runCli = (...args: string[]) => runCliWith(KINDS, ...args);

const YAML = `name: small
stages:
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 100 } }
  judge: { uses: judge }
`;

/**
 * Makes a pipeline that was run with value 1 and then with 2, and a newer run of it that failed early; returns their
 * ids.
 */
async function makeRuns() {
  const folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  await Deno.writeTextFile(file, YAML);
  for (const value of [1, 2]) assertEquals((await runCli("run", file, "--set", `judge.value=${value}`)).code, 0);
  const store = openStore(join(folder.path, ".noiseline"));
  const [second, first] = store.runs.ids();
  const failed = newRunId(new Date(), Deno.pid);
  store.runs.start({ ...store.runs.read(second!)!, runId: failed, status: "failed", stages: {} });
  const ids = { first: first!, second: second!, failed };
  return { folder: folder.path, file, ids, store, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

async function say(...args: string[]): Promise<string> {
  const { code, out, error } = await runCli(...args);
  assertEquals([code, error], [0, ""], args.join(" "));
  return out;
}

const tell = async (...args: string[]) => JSON.parse(await say(...args, "--json"));

Deno.test("tag, logs, compare, metrics, export and import find what runs made, and say it as text and as JSON", async () => {
  await using place = await makeRuns();
  const { folder, file, ids } = place;
  const at = ["--store", place.store.root];
  const { first, second, failed } = ids;

  // Tags a run by its id, and the newest run that is done, which is not the newest run.
  assertEquals(await say("tag", "early", first, ...at), "early: 2 results of small\n");
  const late = await tell("tag", "late", ...at);
  const used = (await tell("runs", second, ...at)).results;
  assertEquals(late, { tag: "late", format: 1, pipeline: "small", overrides: ["judge.value=2"], results: used });
  assertEquals(Object.keys(used).sort(), ["judge", "schedule"]);
  const tags = await tell("tag", "--list", ...at);
  assertEquals(tags.map(({ tag }: { tag: string }) => tag), ["early", "late"]);
  assertEquals(tags[1], late);

  assertEquals(place.store.runs.ids(), [failed, second, first]);
  // The log of the newest run that has one.
  assertEquals(await say("logs", file, "judge"), "note: judging 2\n");
  assertEquals(await say("logs", file, "judge", "--run", first), "note: judging 1\n");
  const log = await tell("logs", file, "judge", "--run", first);
  assertEquals(log, {
    runId: first,
    stage: "judge",
    path: place.store.runs.logPath(first, "judge"),
    lines: ["note: judging 1"],
  });

  const compared = await tell("compare", "early", "late", ...at);
  assertEquals(compared, {
    names: ["early", "late"],
    seeds: [null, null],
    metrics: [{ name: "judge far", values: [1, 2] }],
    params: [{ path: "judge.value", values: [1, 2] }],
    overSeeds: [],
    without: [],
  });
  const rows = (await say("compare", "early", second, ...at)).trimEnd().split("\n").map((row) => row.split(/ {2,}/));
  assertEquals(rows, [["", "judge.value", "judge far"], ["early", "1", "1"], [second, "2", "2"]]);

  assertEquals(await tell("metrics", file, "--set", "judge.value=2"), {
    pipeline: "small",
    metrics: [{ experiment: "small", stage: "judge", metric: "far", value: 2, count: 3 }],
    without: [],
  });

  assertEquals(await tell("tag", "--delete", "late", ...at), { deleted: "late" });
  assertEquals(await tell("tag", "--list", ...at), [tags[0]]);
  const results = join(folder, "results");
  const { bytes, ...exported } = await tell("export", "early", "-o", results, ...at);
  const objects = listFiles(join(results, "v1/objects")).files;
  assertEquals(exported, { folder: results, pipeline: "small", results: 2, objects: objects.length });
  assertEquals(bytes, objects.reduce((sum, name) => sum + Deno.statSync(join(results, "v1/objects", name)).size, 0));
  const other = join(folder, "other");
  assertEquals(await tell("import", results, "--store", other), {
    ...{ store: other, folder: results, added: 2, known: 0, bytes, different: [], damaged: [] },
  });
  Deno.truncateSync(join(results, "v1/objects", objects[0]!));
  const { code, out, error } = await runCli("import", results, "--store", join(folder, "third"));
  assertEquals(code, 1);
  assertMatch(out, /1 result added/);
  assertMatch(error, /[0-9a-f]{12} is damaged or incomplete, and was skipped/);
});

Deno.test("compare and metrics end with exit code 1 where there are no results yet, also as JSON", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  await Deno.writeTextFile(file, YAML.replace(/ {2}judge.*\n/, ""));
  const compared = await runCli("compare", file);
  assertEquals([compared.code, compared.out], [1, ""]);
  assertStringIncludes(compared.error, "none of these has results yet");
  const json = await runCli("compare", file, "--json");
  assertEquals([json.code, json.error], [1, ""]);
  assertEquals(JSON.parse(json.out).ok, false);
  const metrics = await runCli("metrics", file, "--json");
  assertEquals([metrics.code, JSON.parse(metrics.out)], [
    1,
    { pipeline: "small", metrics: [], without: ['"small" has no results'] },
  ]);
});

const SWEEP = `name: sweep
stages:
  draw: { uses: draw, matrix: { value: [1, 2, 3] }, with: { value: "\${matrix.value}" } }
  pick:
    uses: select
    inputs: { candidates: [draw], metrics: [draw] }
    with: { metric: far, goal: highest }
  final: { uses: draw, inputs: { from: draw~value=3 }, with: { value: 4 } }
`;

Deno.test("compare and metrics show what the children of a matrix share once", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  await Deno.writeTextFile(file, SWEEP);
  assertEquals((await runCli("run", file, "draw~value=2")).code, 0);
  const half = await runCli("metrics", file);
  assertEquals([half.code, half.out], [0, "sweep value=2  draw  far  2    N 3\n"]);
  assertEquals(half.error.trimEnd().split("\n"), [
    '"sweep value=1" has no result of draw',
    '"sweep value=3" has no result of draw',
    '"sweep (shared)" has no result of pick, final',
  ]);
  assertEquals((await runCli("run", file)).code, 0);

  const compared = await tell("compare", file);
  assertEquals(compared.names, ["value=1", "value=2", "value=3", "(shared)"]);
  assertEquals(compared.metrics, [
    { name: "draw far", values: [1, 2, 3, null] },
    { name: "final far", values: [null, null, null, 7] },
  ]);
  assertEquals(compared.params.find(({ path }: { path: string }) => path === "draw.value")?.values, [1, 2, 3, null]);
  assertEquals((await say("metrics", file)).trimEnd().split("\n").map((line) => line.split(/ {2,}/)), [
    ["sweep value=1", "draw", "far", "1", "N 3"],
    ["sweep value=2", "draw", "far", "2", "N 3"],
    ["sweep value=3", "draw", "far", "3", "N 3"],
    ["sweep (shared)", "final", "far", "7", "N 3"],
  ]);
  assertEquals((await say("metrics", file, "--csv")).trimEnd().split("\n"), [
    "experiment,stage,metric,value,deviation,count,timesteps,label,seed,seeds,seedsOf",
    "sweep value=1,draw,far,1,,3,,,0,,",
    "sweep value=2,draw,far,2,,3,,,0,,",
    "sweep value=3,draw,far,3,,3,,,0,,",
    "sweep (shared),final,far,7,,3,,,0,,",
  ]);
  const page = join(folder.path, "c.html");
  await say("compare", file, "-o", page);
  assertStringIncludes(await Deno.readTextFile(page), "value=3");
});

Deno.test("compare takes the children of a matrix by name, in the order in which they are named", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  const yaml = `name: small
stages:
  plain: { uses: judge }
  draw: { uses: draw, matrix: { value: [1, 2, 3] }, with: { value: "\${matrix.value}" } }
  again: { uses: draw, inputs: { from: draw }, matrix: { seed: [0, 1] } }
`;
  await Deno.writeTextFile(file, yaml);
  assertEquals((await runCli("run", file)).code, 0);
  const at = ["--store", join(folder.path, ".noiseline")];
  const namesOf = async (...args: string[]) => (await tell("compare", ...args, ...at)).names;
  const of = (value: number) => [`value=${value}`, ...[0, 1].map((seed) => `seed=${seed} value=${value}`)];
  assertEquals((await namesOf(file, "draw")).toSorted(), [1, 2, 3].flatMap(of).sort());
  assertEquals((await namesOf(file, "draw~value=3", "draw~value=1")).toSorted(), [...of(1), ...of(3)].sort());
  assertEquals((await namesOf(file, "draw~value=3", "draw~value=1"))[0]!.endsWith("value=3"), true);
  assertEquals(await namesOf(file, "again~value=2~seed=1", "again~value=1~seed=1"), [
    "seed=1 value=2",
    "seed=1 value=1",
  ]);
  assertEquals((await namesOf(file, "again~seed=1")).length, 3);
  assertEquals(await namesOf(file, "plain"), ["(shared)"]);
  // Stage names belong to the file before them and may stand beside tags and runs; a tag with the same name takes
  // precedence.
  await say("tag", "best", file, ...at);
  const [run] = openStore(at[1]!).runs.ids();
  const mixed = await namesOf(file, "again~value=2~seed=1", run!, "best");
  assertEquals(mixed.length, 1 + 2 * (await namesOf(file)).length);
  await say("tag", "plain", file, ...at);
  assertEquals((await namesOf(file, "plain")).length, 2 * (await namesOf(file)).length);
  for (const [wrong, fix] of [["darw", 'did you mean "draw"?'], ["draw~value=7", "use one of: draw, "]]) {
    const { code, error } = await runCli("compare", file, wrong!, ...at);
    assertEquals(code, 2);
    assertStringIncludes(error, `pipeline "small" has no stage "${wrong}"\n  fix:    ${fix}`);
  }
});

Deno.test("status shows the stages that are named, children of a matrix too, and suggests names for wrong ones", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  const yaml = `name: small
stages:
  first: { uses: judge }
  draw: { uses: draw, inputs: { from: first }, matrix: { value: [1, 2] }, with: { value: "\${matrix.value}" } }
`;
  await Deno.writeTextFile(file, yaml);
  const idsOf = async (...names: string[]) =>
    (await tell("status", file, ...names)).stages.map(({ id }: { id: string }) => id);
  const all = ["first", "draw~value=1", "draw~value=2"];
  for (const ran of [false, true]) {
    if (ran) assertEquals((await runCli("run", file)).code, 0);
    assertEquals(await idsOf(), all);
    assertEquals(await idsOf("draw"), all.slice(1));
    assertEquals(await idsOf("draw~value=2", "first"), [all[0], all[2]]);
    const lines = (await say("status", file, "first")).split("\n").filter((line) => /^(first|draw)/.test(line));
    assertMatch(lines.join("\n"), ran ? /^first +cached/ : /^first +run$/);
    const { code, error } = await runCli("status", file, "frist", "draw");
    assertEquals(code, 2);
    assertStringIncludes(error, 'pipeline "small" has no stage "frist"\n  fix:    did you mean "first"?');
  }
});

Deno.test("compare and metrics tell seeds, and mean and deviation over them, within a pipeline and between runs", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  await Deno.writeTextFile(
    file,
    `name: seeds
matrix: { seed: [0, 1, 5] }
seed: "\${matrix.seed}"
stages:
  draw: { uses: draw, matrix: { value: [1, 2] }, with: { value: "\${matrix.value}" } }
`,
  );
  assertEquals((await runCli("run", file)).code, 0);
  const compared = await tell("compare", file);
  assertEquals(compared.seeds, [0, 1, 5, 0, 1, 5]);
  // 1 + {0, 1, 5}: mean 3, sample variance (4 + 1 + 9) / 2 = 7; by hand.
  const far = (experiment: string, value: number) => {
    const members = [0, 1, 5].map((seed) => `seed=${seed} ${experiment}`);
    return { experiment, members, stage: "draw", metric: "far", value, deviation: Math.sqrt(7), seeds: 3 };
  };
  assertEquals(compared.overSeeds, [far("value=1", 3), far("value=2", 4)]);
  const rows = (await say("compare", file)).trimEnd().split("\n").map((row) => row.split(/ {2,}/));
  assertEquals(rows[0], ["", "seed", "draw.value", "draw far"]);
  assertEquals(rows[1], ["seed=0 value=1", "0", "1", "1"]);
  assertEquals(rows.at(-1), ["value=2, mean of 3 seeds", "4.0 ± 2.6"]);
  const csv = (await say("metrics", file, "--csv")).trimEnd().split("\n");
  assertEquals(csv.at(-1), "seeds value=2,draw,far,4,2.6457513110645907,,,,,3,");
  const page = join(folder.path, "c.html");
  await say("compare", file, "-o", page);
  assertStringIncludes(await Deno.readTextFile(page), "4.0 ± 2.6");

  // Two runs of one file with different seeds differ in nothing else; with another value they do.
  const single = join(folder.path, "q.yaml");
  await Deno.writeTextFile(single, "name: single\nstages: { draw: { uses: draw } }\n");
  for (const set of ["seed=3", "seed=4", "draw.value=9"]) {
    assertEquals((await runCli("run", single, "--set", set)).code, 0);
  }
  const store = openStore(join(folder.path, ".noiseline"));
  const [third, second, first] = store.runs.ids();
  const runs = await tell("compare", first!, second!, third!, "--store", store.root);
  assertEquals(runs.seeds, [3, 4, 0]);
  assertEquals(runs.overSeeds.length, 1);
  assertEquals([runs.overSeeds[0].value, runs.overSeeds[0].seeds], [4.5, 2]);
  // Not all three: the third is another experiment.
  assertEquals(runs.overSeeds[0].experiment, `${first}, ${second}`);
  await say("compare", first!, second!, third!, "--store", store.root, "-o", page);
  const heads = [...(await Deno.readTextFile(page)).matchAll(/<th scope="col"><span title="([^"]*)">([^<]*)/g)];
  assertEquals(heads.slice(1, 5).map(([, title, label]) => [title, label]), [
    [first, "value=1 seed=3"],
    [second, "value=1 seed=4"],
    [third, "value=9"],
    ["value=1, mean of 2 seeds", "value=1, mean of 2 seeds"],
  ]);
});

Deno.test("a mean of runs whose names have commas is named by what these are called", async () => {
  await using folder = await makeTempFolder();
  const files = ["p.yaml", "q, r.yaml"].map((name) => join(folder.path, name));
  for (const [i, file] of files.entries()) {
    await Deno.writeTextFile(file, `name: single\nseed: ${i}\nstages: { draw: { uses: draw } }\n`);
    assertEquals((await runCli("run", file)).code, 0);
  }
  const other = join(folder.path, "other.yaml");
  await Deno.writeTextFile(other, "name: other\nstages: { draw: { uses: draw, with: { value: 5 } } }\n");
  assertEquals((await runCli("run", other)).code, 0);
  const page = join(folder.path, "c.html");
  const [mean] = (await tell("compare", ...files, other, "-o", page)).overSeeds;
  assertEquals(mean.members, ["single", files[1]]);
  const named = `single, ${files[1]}, mean of 2 seeds`;
  assertStringIncludes(await Deno.readTextFile(page), `<span title="${named}">${named}</span>`);
});

Deno.test("each child has its mean over seeds, and a mean says which stages had other seeds", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  await Deno.writeTextFile(
    file,
    `name: seeds
matrix: { seed: [0, 1] }
seed: "\${matrix.seed}"
stages:
  draw: { uses: draw, matrix: { value: [1, 2] }, with: { value: "\${matrix.value}" } }
  again: { uses: draw, with: { value: 10 }, inputs: { from: draw } }
  pick:
    uses: select
    matrix: { seed: [0, 1], goal: [highest] }
    inputs: { candidates: [draw], metrics: [again] }
    with: { metric: far, goal: "\${matrix.goal}" }
`,
  );
  assertEquals((await runCli("run", file)).code, 0);
  const compared = await tell("compare", file);
  const named = compared.overSeeds.filter(({ stage }: { stage: string }) => stage === "again");
  assertEquals(named.map(({ experiment, seeds }: MetricRow) => [experiment, seeds]), [["value=1", 2], ["value=2", 2]]);

  // Only the second stage gets other seeds here.
  const once = join(folder.path, "q.yaml");
  await Deno.writeTextFile(
    once,
    `name: once
stages:
  draw: { uses: draw }
  again: { uses: draw, matrix: { seed: [3, 4] }, seed: "\${matrix.seed}", inputs: { from: draw } }
`,
  );
  assertEquals((await runCli("run", once)).code, 0);
  assertEquals((await tell("compare", once)).overSeeds.map(({ seedsOf }: MetricRow) => seedsOf), ["again"]);
  assertStringIncludes(await say("compare", once), "mean of 2 seeds of again");
  assertStringIncludes(await say("metrics", once), "mean of 2 seeds of again");
});

Deno.test("export, tag and report call a damaged result damaged, and a run makes it again", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  await Deno.writeTextFile(
    file,
    "name: chain\nstages:\n  draw: { uses: draw }\n  last: { uses: draw, inputs: { from: draw } }\n",
  );
  const exported = ["export", file, "-o", join(folder.path, "out")];
  const never = await runCli(...exported);
  assertStringIncludes(never.error, 'pipeline "chain" has no results yet of "draw", "last"');
  assertEquals((await runCli("run", file)).code, 0);
  const store = openStore(join(folder.path, ".noiseline"));
  const [run] = store.runs.ids();
  const result = store.results.byResolved(store.runs.used(run!).results["draw"]!)!;
  const object = store.objects.pathOf(result.outputs["metrics"]!.files[0]!.sha256);
  const damage: Record<string, () => unknown> = {
    "too long": () => Deno.chmodSync(object, 0o644) ?? Deno.writeTextFileSync(object, "and more", { append: true }),
    "a folder": () => Deno.removeSync(object) ?? Deno.mkdirSync(object),
    "gone": () => Deno.removeSync(object, { recursive: true }),
  };
  for (const [what, act] of Object.entries(damage)) {
    act();
    for (const args of [exported, ["tag", "now", file], ["report", file]]) {
      const { code, error } = await runCli(...args);
      assertEquals(code, 1, what);
      assertStringIncludes(error, 'pipeline "chain" has damaged results of "draw"\n');
      assertStringIncludes(error, "run it again, which makes them anew");
    }
  }
  assertEquals((await runCli("run", file)).code, 0);
  assertEquals((await runCli(...exported)).code, 0);
  // The page shows the undamaged results and names the damaged ones.
  const last = store.results.byResolved(store.runs.used(run!).results["last"]!)!;
  await Deno.remove(store.objects.pathOf(last.outputs["metrics"]!.files[0]!.sha256));
  const page = await runCli("report", file);
  assertEquals(page.code, 0);
  assertMatch(page.error, /left out: the result of "last" is damaged; run it again$/m);
});

Deno.test("compare names pipelines without results and results that were removed or cannot be read", async () => {
  await using place = await makeRuns();
  const { folder, file, ids, store } = place;
  const other = join(folder, "q.yaml");
  await Deno.writeTextFile(
    other,
    YAML.replace("name: small", "name: never").replace("timesteps: 100", "timesteps: 99"),
  );
  const set = await runCli("compare", file, other);
  assertEquals(set.code, 0);
  assertStringIncludes(set.error, "never");
  // One file of a result is damaged, and another result is gone.
  const judged = store.results.byResolved(store.runs.used(ids.first).results["judge"]!)!;
  const [metrics] = judged.outputs["metrics"]!.files;
  const object = store.objects.pathOf(metrics!.sha256);
  await Deno.chmod(object, 0o644);
  await Deno.writeTextFile(object, "{");
  const damaged = await runCli("compare", ids.first, ids.second, "--store", store.root);
  assertEquals(damaged.code, 0, damaged.error);
  assertStringIncludes(
    damaged.error,
    `${ids.first}: judge: its metrics cannot be shown: metrics.json is missing or damaged in the store`,
  );
  await Deno.remove(join(store.paths.results, judged.resolvedKey.slice(0, 2), `${judged.resolvedKey}.json`));
  const gone = await runCli("compare", ids.first, ids.second, "--store", store.root);
  assertEquals(gone.code, 0, gone.error);
  assertStringIncludes(gone.error, `"${ids.first}" has no result of judge`);
});

/** A kind that writes what its param says as metrics. */
const tellKind = defineKind({
  kind: "tell",
  version: 1,
  runs: "inline",
  entry: new URL("./tell_run.ts", import.meta.url).href,
  summary: "Figures",
  params: z.strictObject({ metrics: z.array(z.record(z.string(), z.unknown())) }),
  inputs: {},
  outputs: judgeKind.outputs,
});

Deno.test("figures of labels and of timesteps are shown where their stage has no others, and only there", async () => {
  await using folder = await makeTempFolder();
  const kinds = { tell: tellKind as unknown as BuiltinKind };
  const file = join(folder.path, "p.yaml");
  const parts = [{}, { label: 3 }, { label: "cat" }, { timesteps: { from: 0, to: 10 } }];
  // Each stage has some of the parts: every choice but none.
  const choices = Array.from({ length: 2 ** parts.length - 1 }, (_, i) => parts.filter((_, at) => (i + 1) >> at & 1));
  const stages = choices.map((own, i) => {
    const metrics = own.map((part, at) => ({ name: "far", value: at + 1, count: 2, ...part }));
    return [`s${i}`, { uses: "tell", with: { metrics } }] as const;
  });
  await Deno.writeTextFile(file, JSON.stringify({ name: "small", stages: Object.fromEntries(stages) }));
  const wanted = choices.flatMap((own, i) => {
    const names = ["far", "far (label 3)", "far (label cat)", "far (t 0-9)"];
    const shown = own.includes(parts[0]!) ? [parts[0]!] : own;
    return shown.map((part) => `s${i} ${names[parts.indexOf(part)]}`);
  });
  const run = await runCliWith(kinds, "run", file, "--json");
  assertEquals(run.code, 0, run.error);
  const { code, out } = await runCliWith(kinds, "metrics", file);
  assertEquals(code, 0);
  const shown = out.trimEnd().split("\n").map((line) => line.replace(/^small +(\S+) +(.*?) {2,}.*$/, "$1 $2"));
  assertEquals(shown, wanted);
  // The end of a run has the same, as data; the server's pages and comparisons take the same list.
  const { scores } = JSON.parse(run.out.trimEnd().split("\n").at(-1)!) as { scores: MetricRow[] };
  assertEquals(scores.map((row) => `${row.stage} ${metricName(row)}`), wanted);
});

Deno.test("status names a run that was killed until another ends", async () => {
  await using place = await makeRuns();
  const pid = await endedPid();
  const killed = newRunId(new Date(), pid);
  const record = place.store.runs.read(place.ids.second)!;
  place.store.runs.start({ ...record, runId: killed, pid, status: "running", stages: {} });
  const lines = (await say("status", place.file)).trimEnd().split("\n");
  assertEquals(lines.slice(-2), [
    `run ${killed} was killed; run again to go on from what it saved`,
    `last run: ${place.ids.failed} failed`,
  ]);
  assertEquals((await tell("status", place.file)).killed.runId, killed);
  assertEquals((await runCli("run", place.file, "--set", "judge.value=3")).code, 0);
  assertEquals("killed" in await tell("status", place.file), false);
});

/** Returns the id of a process that has ended. */
async function endedPid(): Promise<number> {
  const child = new Deno.Command("true").spawn();
  await child.status;
  return child.pid;
}
