import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { finalDigests } from "../support/check_plan.ts";
import { Project } from "../support/project.ts";

Deno.test("logs --follow prints what a stage says while it runs, and ends with it; runs shows the run as killed", async () => {
  const file = "name: demo\nstages:\n  walk: { uses: ./walk.ts, with: { steps: 6, holdAt: 3 } }\n";
  await using project = new Project({ stages: ["walk"], files: { "p.yaml": file } });
  await using running = project.start(["run", "p.yaml", "--json"]);
  await running.event(({ type }) => type === "run-started");
  await using following = project.start(["logs", "p.yaml", "walk", "--follow"]);
  await following.said("walking");
  await running.event(({ type, step }) => type === "stage-saved" && step === 3);
  assertEquals((await project.cli(["runs", "--json"])).json[0].status, "running");
  running.signal("SIGKILL");
  const followed = await following.outcome();
  assertEquals([followed.code, followed.stdout], [0, "walking\n"]);
  const [run] = (await project.cli(["runs", "p.yaml", "--json"])).json;
  assertEquals([run.status, run.counts, run.endedAt], ["killed", { killed: 1 }, null]);
  assertStringIncludes((await project.cli(["runs", run.runId])).stdout, `${run.runId} demo: killed`);
});

/** A stage that reports nothing, and runs for up to ten minutes. */
const SILENT = `import { defineStage } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Says nothing",
  params: z.strictObject({}),
  inputs: {},
  outputs: { out: { type: "files", description: "Nothing" } },
  async run({ outputs }) {
    await new Promise((resolve) => setTimeout(resolve, 600_000));
    await outputs.out.write("x", "x");
  },
});
`;

Deno.test("logs --follow of a stage without a log says whether it is at work or has not begun", async () => {
  const stages = ["a: { uses: ./silent.ts }", "b: { uses: ./cook.ts, inputs: { from: a }, with: { text: a } }"];
  const file = `name: demo\nstages:\n${stages.map((one) => `  ${one}\n`).join("")}`;
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": file, "silent.ts": SILENT } });
  await using running = project.start(["run", "p.yaml", "--json"]);
  await running.event(({ type, id }) => type === "stage-started" && id === "a");
  await using a = project.start(["logs", "p.yaml", "a", "--follow"]);
  await using b = project.start(["logs", "p.yaml", "b", "--follow"]);
  await a.said("yet", "stderr");
  await b.said("yet", "stderr");
  for (const more of [[], ["--json"]]) {
    const now = await project.cli(["logs", "p.yaml", "a", ...more]);
    assertEquals([now.code, now.stderr], [0, `"a" is running and has printed nothing yet\n`]);
    assertEquals(more.length === 0 ? now.stdout : now.json.lines, more.length === 0 ? "" : []);
  }
  running.signal("SIGKILL");
  const [first, second] = [await a.outcome(), await b.outcome()];
  assertEquals(first.stderr, `"a" is running and has printed nothing yet\nthe log of "a" is empty\n`);
  const [runId] = project.list(".noiseline/runs");
  assertEquals(second.stderr, `"b" has not begun yet in run ${runId}\nthe log of "b" is empty\n`);
});

/** A stage that prints its text, if it has one. */
const SAYS = SILENT.replace("strictObject({})", "strictObject({ text: z.string() })").replace(
  /async run[^]*600_000\)\);/,
  "async run({ params, outputs }) {\n    if (params.text !== '') console.log(params.text);",
);

Deno.test("logs says of which run the log is where a newer run of the stage printed nothing", async () => {
  const file = 'name: demo\nstages:\n  a: { uses: ./says.ts, with: { text: "" } }\n';
  await using project = new Project({ files: { "p.yaml": file, "says.ts": SAYS } });
  const run = async (text: string) =>
    (await project.cli(["run", "p.yaml", "--set", `a.text=${text}`, "--json"])).events;
  const first = (await run("hello")).at(-1).runId;
  const alone = await project.cli(["logs", "p.yaml", "a"]);
  assertEquals([alone.stdout, alone.stderr], ["hello\n", ""]);
  const second = (await run('""')).at(-1).runId;
  // A run that only restores the result is not one of the stage.
  await run("hello");
  const { code, stdout, stderr } = await project.cli(["logs", "p.yaml", "a"]);
  const said = `this is the log of run ${first}; in ${second}, which is newer, "a" printed nothing\n`;
  assertEquals([code, stdout, stderr], [0, "hello\n", said]);
});

/** A stage that reports its progress, and runs for up to ten minutes. */
const STEADY = SILENT.replace(
  "async run({ outputs }) {",
  `async run({ outputs, report }) {
    console.log("begins");
    for (let done = 1; done < 6_000; done++) {
      report({ done, total: 6_000, unit: "step", figures: { loss: 0.5, gradNorm: 1 } });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }`,
);

Deno.test("logs --follow says how far a stage is and its loss, also as JSON lines", async () => {
  const files = { "p.yaml": "name: demo\nstages:\n  a: { uses: ./steady.ts }\n", "steady.ts": STEADY };
  await using project = new Project({ files });
  await using running = project.start(["run", "p.yaml", "--json"]);
  await running.event(({ type, id }) => type === "stage-started" && id === "a");
  await using text = project.start(["logs", "p.yaml", "a", "--follow"]);
  await using json = project.start(["logs", "p.yaml", "a", "--follow", "--json"]);
  await text.said("loss", "stderr");
  await json.said("progress");
  running.signal("SIGKILL");
  const [said, lines] = [await text.outcome(), (await json.outcome()).events];
  assertEquals(said.stdout, "begins\n");
  assertMatch(said.stderr, /^a: step \d+ of 6000(, [\d.]+\/s, ETA .*)?, loss 0\.5000$/m);
  assertEquals(lines.find(({ type }) => type === "log"), { type: "log", stage: "a", line: "begins" });
  const { stage, unit, total, figures } = lines.find(({ type }) => type === "progress");
  assertEquals([stage, unit, total, figures.loss.last], ["a", "step", 6_000, 0.5]);
});

Deno.test("verify --resume walks on from an earlier state in a process of its own, and sees a walk that went astray", async () => {
  const file = "name: demo\nstages:\n  walk: { uses: ./walk.ts, with: { steps: 6, saveEvery: 2 } }\n";
  await using project = new Project({ stages: ["walk"], files: { "p.yaml": file } });
  assertEquals((await project.cli(["run", "p.yaml"])).code, 0);
  const before = await finalDigests(project, ["p.yaml"]);
  const same = await project.cli(["verify", "p.yaml", "walk", "--resume", "--json"]);
  assertEquals([same.code, same.json.fromStep, same.json.same], [0, 4, true], same.stdout + same.stderr);
  assertEquals(same.json.ports[0].recorded, before["walk"]!["out"]);
  // A state whose bytes are complete but wrong, as a stage with a hidden input would have saved it.
  const state = project.files(".noiseline/progress").find((path) => path.endsWith("step-4/hashes"))!;
  const path = `.noiseline/progress/${state}`;
  const manifest = path.replace("hashes", "manifest.json");
  project.write(path, project.read(path).replaceAll("a", "b"));
  const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", Deno.readFileSync(project.path(path)))).toHex();
  project.write(manifest, project.read(manifest).replace(/"sha256":"[0-9a-f]+"/, `"sha256":"${sha256}"`));
  const other = await project.cli(["verify", "p.yaml", "walk", "--resume"]);
  assertEquals(other.code, 1);
  assertStringIncludes(other.stdout, "other bytes");
  assertEquals(await finalDigests(project, ["p.yaml"]), before);
  assertEquals(project.list(".noiseline/tmp"), []);
});

Deno.test("verify --resume tells the steps that were taken, and proves nothing where there was none", async () => {
  const cases = [
    { steps: 6, saveEvery: 2, from: 4 },
    { steps: 5, saveEvery: 4, from: 4 },
    { steps: 6, saveEvery: 9, from: 6 },
  ];
  const kinds = ["plain", "silent"];
  const all = kinds.flatMap((kind) => cases.map((one, i) => ({ ...one, kind, id: `${kind}${i}` })));
  const lines = all.map(({ id, kind, steps, saveEvery }) =>
    `  ${id}: { uses: ./${kind}.ts, with: { text: ${id}, steps: ${steps}, saveEvery: ${saveEvery} } }\n`
  );
  await using project = new Project({
    stages: ["walk"],
    files: { "p.yaml": `name: demo\nstages:\n${lines.join("")}` },
  });
  // Without an extent, nothing tells which step a result ends at; a stage need not report progress, either.
  const plain = project.read("walk.ts").replace(/extent\((.*)\),/, "$1,").replace(", extent }", " }");
  project.write("plain.ts", plain);
  project.write("silent.ts", plain.replace(/^ *report\(.*$/m, "").replace(", report }", " }"));
  const run = await project.cli(["run", "p.yaml"]);
  assertEquals(run.code, 0, run.stderr);
  for (const { id, steps, from } of all) {
    const proven = from < steps;
    const { code, json, stdout } = await project.cli(["verify", "p.yaml", id, "--resume", "--json"]);
    const { fromStep, toStep, same } = json;
    assertEquals([code, fromStep, toStep, same, json.proven], [proven ? 0 : 1, from, steps, true, proven], id + stdout);
  }
  const some = await project.cli(["verify", "p.yaml", "plain0", "--resume"]);
  assertStringIncludes(some.stdout, "plain0: executed again from step 4 to 6 on");
  const none = await project.cli(["verify", "p.yaml", "plain2", "--resume"]);
  assertStringIncludes(none.stdout, "plain2: took no step after 6 on");
  assertStringIncludes(none.stdout, "nothing is proven; from the start: deno run -A");
});

Deno.test("a folder of results moves results to another machine: the same pipeline there has nothing to compute", async () => {
  const file =
    "name: demo\nstages:\n  a: { uses: ./cook.ts, with: { text: a } }\n  b: { uses: ./cook.ts, inputs: { from: [a] } }\n";
  await using one = new Project({ stages: ["cook"], files: { "p.yaml": file } });
  await using two = new Project({ stages: ["cook"], files: { "p.yaml": file } });
  assertEquals((await one.cli(["run", "p.yaml"])).code, 0);
  assertEquals((await one.cli(["export", "p.yaml", "-o", two.path("results")])).code, 0);
  assertEquals((await two.cli(["import", "results"])).code, 0);
  const run = await two.cli(["run", "p.yaml", "--json"]);
  assertEquals([run.code, run.events.at(-1).counts.restored, run.events.at(-1).counts.ran], [0, 2, 0]);
  assertMatch((await two.cli(["run", "p.yaml"])).stdout, /^demo: nothing to do \(2 stages cached\)\npage: .*\n$/);
  assertEquals(await finalDigests(two, ["p.yaml"]), await finalDigests(one, ["p.yaml"]));
});
