import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hasProgram, onlyIf } from "../../support/proc.ts";
import { Project } from "../../support/project.ts";
import { answerOnTerminal } from "../../support/terminal.ts";

/** With the smallest network, this many steps take months on any processor, and a few of them moments. */
const STEPS = 100_000_000;
const PROFILE = `
profiles:
  quick: { stages: { train: { with: { steps: 2 } } } }
`;
const RUN = ["run", "smoke.yaml", "train"];
const MESSAGE = /this run takes at least about (\d+d \d+h|[\d.]+ years) on this machine \(train /;

function newProject(): Project {
  const project = new Project();
  project.copy("pipelines/smoke.yaml", "smoke.yaml");
  project.write("smoke.yaml", project.read("smoke.yaml").replace("steps: 30", `steps: ${STEPS}`) + PROFILE);
  return project;
}

Deno.test("a run of months is refused without a terminal before it starts, with what to do instead", async () => {
  await using project = newProject();
  const refused = await project.cli(RUN);
  assertEquals([refused.code, refused.stdout], [2, ""], refused.stderr);
  assertStringIncludes(refused.stderr, "trying a few steps of train");
  assertMatch(refused.stderr, MESSAGE);
  assertStringIncludes(refused.stderr, "make it smaller with --profile quick; or start it anyway with --yes");
  assertStringIncludes(refused.stderr, "1 error; nothing was run");
  assertEquals([project.exists("outputs"), project.list(".noiseline/runs")], [false, []]);

  // The measured time is known from then on.
  const again = await project.cli([...RUN, "--json"]);
  assertEquals([again.code, again.json.ok], [2, false], again.stderr);
  assertMatch(again.json.diagnostics[0].message, MESSAGE);
  const plan = await project.cli(["plan", "smoke.yaml"]);
  assertMatch(plan.stdout, MESSAGE);
  assertStringIncludes(plan.stdout, "a few steps of its network");
  const { long } = (await project.cli(["plan", "smoke.yaml", "--json"])).json;
  assert(long.totalMs > 24 * 3_600_000);
  assertEquals(long.stages[0].id, "train");
  // A smaller run needs no confirmation.
  assertEquals((await project.cli([...RUN, "--profile", "quick"])).code, 0);
});

Deno.test("a long run that was agreed to goes on without a question", async () => {
  await using project = newProject();
  project.write("smoke.yaml", project.read("smoke.yaml").replace("checkpointEvery: 10", "saveEverySeconds: 0"));
  await using first = project.start([...RUN, "--yes", "--json"]);
  const { step } = await first.event(({ type }) => type === "stage-saved");
  first.signal("SIGKILL");
  await first.outcome();

  await using second = project.start([...RUN, "--json"]);
  const started = await second.event(({ type, id }) => type === "stage-started" && id === "train");
  assertEquals([started.state, started.fromStep >= step], ["resume", true]);
  second.signal("SIGINT");
  const { code, events } = await second.outcome();
  // No device is tried first, either.
  assertEquals([code, events.filter(({ type }) => type === "note")], [130, []]);
});

Deno.test("a run that is stopped while a few steps are tried says that it was interrupted", async () => {
  await using project = newProject();
  await using running = project.start([...RUN, "--json"]);
  await running.event(({ type }) => type === "note");
  running.signal("SIGTERM");
  const { code, events } = await running.outcome();
  const { type, status, runId } = events.at(-1);
  assertEquals([code, type, status, runId], [130, "run-finished", "interrupted", undefined]);
});

Deno.test({
  ...onlyIf(
    hasProgram("script"),
    "script is not there to make a terminal",
    "on a terminal a long run asks, no is no, and Ctrl-C is a stop",
  ),
  async fn() {
    await using project = newProject();
    for (const [answer, wanted] of [["n\n", 2], ["\u0003", 130]] as const) {
      const { code, said } = await answerOnTerminal(project, RUN, { answer });
      assertEquals(code, wanted, said);
      assertMatch(said, MESSAGE);
      assertStringIncludes(said, "Start it anyway? [y/N]");
    }
    project.write("smoke.yaml", project.read("smoke.yaml").replace("uses: train", "uses: train\n    timeout: 2s"));
    const { code, said } = await answerOnTerminal(project, RUN, { answer: "y\n" });
    assertEquals(code, 1, said);
    assertStringIncludes(said, "it ran longer than its timeout of 2 s");
  },
});
