import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { z } from "zod";
import { newRunId } from "../../../engine/store/runs.ts";
import { openStore } from "../../../engine/store/store.ts";
import { type BuiltinKind, defineKind } from "../../../stages/contract.ts";
import { makeTempFolder } from "../engine/support/temp.ts";
import { runCliWith } from "./capture.ts";

const judgeKind = defineKind({
  kind: "judge",
  version: 1,
  runs: "inline",
  entry: import.meta.resolve("./judge_run.ts"),
  summary: "A figure",
  params: z.strictObject({ value: z.number().default(1) }),
  inputs: {},
  outputs: { metrics: { type: "metrics", description: "The figure" } },
});

const runCli = (...args: string[]) => runCliWith({ judge: judgeKind as unknown as BuiltinKind }, ...args);

const YAML = `name: small
stages:
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 100 } }
  judge: { uses: judge }
`;

/** A pipeline that was run with value 1 and then with 2, and a newer run of it that failed early; and ids of these. */
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

  // Of a run by its id, and of the newest that is done, which is not the newest.
  assertEquals(await say("tag", "early", first, ...at), "early: 2 results of small\n");
  const late = await tell("tag", "late", ...at);
  const used = (await tell("runs", second, ...at)).results;
  assertEquals(late, { tag: "late", format: 1, pipeline: "small", overrides: ["judge.value=2"], results: used });
  assertEquals(Object.keys(used).sort(), ["judge", "schedule"]);
  const tags = await tell("tag", "--list", ...at);
  assertEquals(tags.map(({ tag }: { tag: string }) => tag), ["early", "late"]);
  assertEquals(tags[1], late);

  assertEquals(place.store.runs.ids(), [failed, second, first]);
  // Of the newest run that has one.
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
    metrics: [{ name: "judge far", values: [1, 2] }],
    params: [{ path: "judge.value", values: [1, 2] }],
  });
  const rows = (await say("compare", "early", second, ...at)).trimEnd().split("\n").map((row) => row.split(/ {2,}/));
  assertEquals(rows, [["", "judge.value", "judge far"], ["early", "1", "1"], [second, "2", "2"]]);

  assertEquals(await tell("metrics", file, "--set", "judge.value=2"), {
    pipeline: "small",
    metrics: [{ experiment: "small", stage: "judge", metric: "far", value: 2, count: 3 }],
  });

  const archive = join(folder, "a.tar");
  const exported = await tell("export", "early", "-o", archive, ...at);
  const { size } = await Deno.stat(archive);
  const { archive: to, tag, pipeline, results, bytes } = exported;
  assertEquals([to, tag, pipeline, results, bytes], [archive, "early", "small", 2, size]);
  const other = ["--store", join(folder, "other")];
  const imported = await tell("import", archive, ...other);
  assertEquals([imported.pipeline, imported.tag, imported.added, imported.known], ["small", "early", 2, 0]);
  assertEquals(await tell("tag", "--list", ...other), [tags[0]]);
  assertEquals(await tell("tag", "--delete", "early", ...other), { deleted: "early" });
  assertEquals(await tell("tag", "--list", ...other), []);
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
  assertEquals([metrics.code, JSON.parse(metrics.out)], [1, { pipeline: "small", metrics: [] }]);
});
