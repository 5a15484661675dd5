import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { parseAge, parseBytes } from "../../../cli/format/units.ts";
import { openStore } from "../../../engine/store/store.ts";
import { type BuiltinKind, defineKind } from "../../../engine/contract/stage.ts";
import { hasProgram, skipUnless } from "../../support/proc.ts";
import { makeTempFolder } from "../engine/support/temp.ts";
import { runCliWith } from "./capture.ts";
import { judgeKind as figureKind } from "./judge_kind.ts";
import { snapshotsOf } from "../../support/snapshots.ts";

/** A kind that computes a figure of a schedule. */
const judgeKind = defineKind({ ...figureKind, inputs: { of: { type: "schedule", description: "Its schedule" } } });

const runCli = (...args: string[]) => runCliWith({ judge: judgeKind as unknown as BuiltinKind }, ...args);

const YAML = `name: small
stages:
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  other: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1251 } }
`;

async function makePipeline() {
  const folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  await Deno.writeTextFile(file, YAML);
  return { folder: folder.path, file, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

Deno.test("runs, tag, export, import, verify, gc and graph say what they did to a small pipeline", async (t) => {
  await using place = await makePipeline();
  const { folder, file } = place;
  const store = ["--store", join(folder, ".noiseline")];
  const say = async (...args: string[]) => {
    const { code, out, error } = await runCli(...args);
    assertEquals([code, error], [0, ""], args.join(" "));
    return out.replaceAll(folder, "FOLDER").replaceAll(/\b[0-9a-f]{12}\b/g, "KEY")
      .replaceAll(/\d{8}T\d{9}-[0-9a-z]+/g, "RUN").replaceAll(/\d+\.\d+s/g, "TIME")
      .replaceAll(/\d{4}-\d\d-\d\d[T ][\d:.]+Z?/g, "WHEN").replaceAll(/\d{4}-\d\d-\d\d/g, "DAY")
      .replaceAll(/pid \d+/g, "pid PID").replaceAll(/ \S+\n(?= {2}noiseline)/g, " HOST\n")
      .replaceAll(/noiseline \S+, deno \S+/g, "VERSIONS").replaceAll(/(?<=TIME {2}2 ran {2})\S+/g, "HOST")
      .replaceAll(/\d[\d.]* k?B/g, "SIZE");
  };
  // One stage after the other, so that they always end in the same order.
  await say("run", file, "--jobs", "1");
  const id = JSON.parse((await runCli("runs", file, "--json")).out)[0].runId;
  const shown: string[] = [];
  const results = join(folder, "results");
  for (
    const args of [
      ["runs", file],
      ["runs", id, ...store],
      ["tag", "first", file],
      ["tag", "by-id", id, ...store],
      ["tag", "--list", ...store],
      ["tag", "--delete", "by-id", ...store],
      ["export", "first", "-o", results, ...store],
      ["import", results, "--store", join(folder, "other")],
      ["run", file, "--store", join(folder, "other")],
      ["verify", ...store],
      ["verify", file, "other"],
      ["gc", file],
      ["run", file, "--set", "other.timesteps=1300"],
      ["tag", "--delete", "first", ...store],
      ["gc", file, "--older-than", "0", "--keep-runs", "0"],
      ["gc", file, "--older-than", "0", "--keep-runs", "0", "--yes"],
      ["graph", file, "--format", "dot"],
    ]
  ) {
    shown.push(`$ ${args.join(" ").replaceAll(folder, "FOLDER").replaceAll(id, "RUN")}\n${await say(...args)}`);
  }
  await t.assertSnapshot(shown.join("\n"), snapshotsOf(import.meta.url));
});

Deno.test("housekeeping commands refuse wrong names with exit code 2 and suggest the right one", async () => {
  await using place = await makePipeline();
  const { folder, file } = place;
  const store = ["--store", join(folder, ".noiseline")];
  await runCli("run", file);
  await runCli("tag", "first", file);
  const id: string = JSON.parse((await runCli("runs", file, "--json")).out)[0].runId;
  const near = id.slice(0, -1);
  for (
    const [args, says] of [
      [["runs", near, ...store], `did you mean "${id}"`],
      [["tag", "x", near, ...store], `did you mean "${id}"`],
      [["tag", "first", file], 'there is a tag "first" already'],
      [["tag", "../x", file], "cannot be the name of a tag"],
      [["tag", "x.yaml", file], "cannot be the name of a tag"],
      [["tag", "--delete", "frist", ...store], 'did you mean "first"'],
      [["export", "frist", "-o", join(folder, "results"), ...store], 'did you mean "first"'],
      [["compare", "frist", ...store], 'did you mean "first"'],
      [["import", join(folder, "none"), ...store], "the folder does not exist"],
      [["logs", file, "shedule"], 'did you mean "schedule"'],
      [["logs", file, "schedule", "--run", near], `did you mean "${id}"`],
      [["verify", file, "shedule"], 'did you mean "schedule"'],
      [["verify", "--resume"], "--resume needs a pipeline and a stage"],
      [["gc", join(folder, "none.yaml")], "Cannot read"],
      [["gc", file, "--older-than", "soon"], "is not a time"],
      [["gc", file, "--max-size", "50X"], "is not a size"],
      [["gc", file, "--yes", "--dry-run"], "cannot be used with"],
      [["graph", file, "--format", "png"], "Allowed choices are mermaid, dot"],
    ] as const
  ) {
    const { code, out, error } = await runCli(...args);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertStringIncludes(error, says, args.join(" "));
  }
  assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [".noiseline", "outputs", "p.yaml"]);
});

for (
  const [how, damage] of [
    ["is missing", (path: string) => Deno.removeSync(path)],
    ["is cut short", (path: string) => {
      Deno.chmodSync(path, 0o644);
      Deno.truncateSync(path, 3);
    }],
  ] as const
) {
  Deno.test(`verify of a pipeline names a file that ${how}, also of a stage after it, until it is made again`, async () => {
    await using place = await makeTempFolder();
    const file = join(place.path, "p.yaml");
    await Deno.writeTextFile(
      file,
      "name: chain\nstages:\n  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1252 } }\n" +
        "  judge: { uses: judge, inputs: { of: schedule } }\n",
    );
    assertEquals((await runCli("run", file)).code, 0);
    const plan = JSON.parse((await runCli("plan", file, "--json")).out);
    const store = openStore(join(place.path, ".noiseline"));
    const lost: string[] = [];
    for (const key of store.results.keys()) {
      const [port, { files: [entry] }] = Object.entries(store.results.readManifest(key)!.outputs)[0]!;
      damage(store.objects.pathOf(entry!.sha256));
      lost.push(`${port}/${entry!.path}`);
    }
    assertEquals([plan.stages.length, lost.length], [2, 2]);
    for (let time = 0; time < 2; time++) {
      const { code, out } = await runCli("verify", file);
      assertEquals(code, 1);
      for (const name of lost) assertStringIncludes(out, name);
    }
    assertEquals((await runCli("verify", file, "judge")).code, 1);
    assertEquals((await runCli("run", file)).code, 0);
    assertEquals((await runCli("verify", file)).code, 0);
    // A stage that never ran has no result that could be damaged.
    assertEquals((await runCli("verify", file, "--set", "schedule.timesteps=8")).code, 0);
  });
}

Deno.test("housekeeping commands end with exit code 1 where what they need is not there yet", async () => {
  await using place = await makePipeline();
  const { folder, file } = place;
  for (
    const args of [
      ["tag", "x", file],
      ["tag", "x", "--store", join(folder, "s")],
      ["export", file, "-o", join(folder, "results")],
      ["logs", file, "schedule"],
      ["verify", file, "schedule", "--resume"],
    ]
  ) {
    const { code, error } = await runCli(...args);
    assertEquals(code, 1, args.join(" "));
    assertStringIncludes(error, "fix:", args.join(" "));
  }
});

Deno.test("verify and runs list keys that gave two results, with digests, numerics and runs", async () => {
  await using place = await makePipeline();
  const { folder, file } = place;
  const at = ["--store", join(folder, ".noiseline")];
  const store = openStore(join(folder, ".noiseline"));
  await runCli("run", file);
  const [schedule, other] = ["schedule", "other"].map((stage) => {
    const all = store.results.keys().map((key) => store.results.readManifest(key)!);
    return all.find(({ ingredients }) => ingredients.params["timesteps"] === (stage === "other" ? 1251 : 1250))!;
  });
  // As if "schedule" had produced the bytes of "other" on some device when it ran first.
  await store.results.publish({ ...schedule!, outputs: other!.outputs });
  const forced = await runCli("run", file, "--force", "schedule", "--json");
  assertStringIncludes(forced.out, "not deterministic: one key, two results");
  const [same] = store.differences.all();
  const device = {
    ...same!,
    cause: "device" as const,
    first: { ...same!.first, numerics: "slow/1" },
    second: { ...same!.second, numerics: "fast/1", runId: "elsewhere" },
    kept: "second" as const,
  };
  store.differences.add(device);

  const [port] = Object.keys(same!.first.outputs);
  const digest = (one: typeof schedule) => `${port} ${one!.outputs[port!]!.digest.slice(0, 12)}`;
  const key = schedule!.resolvedKey.slice(0, 12);
  const run = same!.second.runId;
  const within = [
    `not deterministic: small/schedule gave two results for key ${key}`,
    `  first ${digest(other)} in run ${schedule!.runId} (kept)`,
    `  second ${digest(schedule)} in run ${run}`,
  ];
  const between = [
    `differs by device: small/schedule gave two results for key ${key}`,
    `  first ${digest(other)} on slow/1 in run ${schedule!.runId}`,
    `  second ${digest(schedule)} on fast/1 in run elsewhere (kept)`,
  ];
  const lines = async (...args: string[]) => {
    const { code, out, error } = await runCli(...args);
    assertEquals([code, error], [0, ""], args.join(" "));
    return out.trimEnd().split("\n");
  };
  const listed = (all: string[]) => all.filter((line) => /two results|^ {2}(?:first|second) /.test(line));
  assertEquals(listed(await lines("verify", ...at)), [...within, ...between]);
  assertEquals(listed(await lines("verify", file, "schedule")), [...within, ...between]);
  assertEquals(listed(await lines("verify", file, "other")), []);
  assertEquals(listed(await lines("runs", run, ...at)), within);
  const json = async (...args: string[]) => JSON.parse((await lines(...args, "--json")).join("")).differences;
  assertEquals(await json("verify", ...at), [same, device]);
  assertEquals(await json("verify", file, "other"), []);
  assertEquals(await json("runs", run, ...at), [same]);
  assertEquals(await json("runs", schedule!.runId, ...at), []);
});

/**
 * The output must follow Graphviz's grammar: quoted ids, with only the escapes that labels and ids are written with.
 */
Deno.test("graph --format dot quotes every id, so that Graphviz takes any of them", async () => {
  await using place = await makePipeline();
  const { folder } = place;
  const file = join(folder, "m.yaml");
  await Deno.writeTextFile(
    file,
    `name: odd
stages:
  node: { uses: schedule, matrix: { betas: [ldm/cosine, ldm/sqrt_linear] }, with: { betas: "\${matrix.betas}", timesteps: 1252 } }
`,
  );
  const { code, out, error } = await runCli("graph", file, "--format", "dot");
  assertEquals([code, error], [0, ""]);
  const quoted = String.raw`"(?:[^"\\]|\\[\\"n])*"`;
  const statement = new RegExp(
    `^(?:digraph ${quoted} \\{|  node \\[shape=box\\];|  ${quoted}(?: -> ${quoted})? \\[label=${quoted}\\];|\\})$`,
  );
  for (const line of out.trim().split("\n")) assert(statement.test(line), line);
  if (skipUnless(hasProgram("dot"), "Graphviz is not installed, so only the grammar was checked")) return;
  await Deno.writeTextFile(join(folder, "g.dot"), out);
  const drawn = await new Deno.Command("dot", { args: ["-Tsvg", join(folder, "g.dot")] }).output();
  assertEquals([drawn.code, new TextDecoder().decode(drawn.stderr)], [0, ""]);
  const svg = new TextDecoder().decode(drawn.stdout);
  assertEquals(svg.match(/class="node"/g)?.length, 2);
});

Deno.test("parseBytes() and parseAge() read what their help says", () => {
  assertEquals(["50G", "500 MB", "1.5k", "7", "2GiB", "0"].map(parseBytes), [50e9, 500e6, 1500, 7, 2 * 2 ** 30, 0]);
  assertEquals(["90s", "12h", "30d", "2w", "0"].map(parseAge), [
    90_000,
    43_200_000,
    30 * 86_400_000,
    14 * 86_400_000,
    0,
  ]);
});
