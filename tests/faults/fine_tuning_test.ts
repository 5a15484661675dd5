import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { finalDigests, runAndCheckPlan } from "../support/check_plan.ts";
import { childrenOf } from "../support/proc.ts";
import { Project } from "../support/project.ts";

const PIPELINE = `
name: tuned
extends: ./smoke.yaml
stages:
  train:
    with: { steps: 4, batchSize: 16, model: { multipliers: [1], attention: [] } }
  tuned:
    uses: train
    inputs: { images: digits.train, schedule: schedule, start: train }
    with:
      model: start
      startWeights: all
      labels: {}
      freeze: ["down.*"]
      steps: 24
      batchSize: 16
      checkpointEvery: 4
  evaluate: { inputs: { checkpoint: tuned } }
  sample: null
  score: null
`;

function newProject(): Project {
  const project = new Project({ files: { "tuned.yaml": PIPELINE } });
  project.copy("pipelines/smoke.yaml", "smoke.yaml");
  return project;
}

const ARGS = ["tuned.yaml", "tuned"];

Deno.test("a fine-tuning that is killed again and again ends with the bytes of one that was not", async () => {
  await using whole = newProject();
  await runAndCheckPlan(whole, ARGS);
  const expected = await finalDigests(whole, ARGS);
  await using project = newProject();
  for (const [kill, saved] of [["stage", 4], ["run", 12], ["stage", 20]] as const) {
    await using running = project.start(["run", ...ARGS, "--json"]);
    await running.event(({ type, id, step }) => type === "stage-saved" && id === "tuned" && step >= saved);
    if (kill === "run") running.signal("SIGKILL");
    else Deno.kill(childrenOf(running.pid)[0]!, "SIGKILL");
    await running.outcome();
  }
  await runAndCheckPlan(project, ARGS);
  assertEquals(await finalDigests(project, ARGS), expected);

  // Then why: another pattern, other weights, another start.
  const why = async (set: string) => (await project.cli(["why", ...ARGS, "--set", set])).stdout;
  assertMatch(await why('tuned.freeze=["up.*"]'), /freeze/);
  assertMatch(await why("tuned.startWeights=raw"), /startWeights/);
  assertMatch(await why("train.learningRate=0.1"), /tuned[^]*train/);
  // And what cannot start is refused before anything runs.
  const refused = await project.cli([
    "run",
    ...ARGS,
    "--set",
    "train.model.channels=8",
    "--set",
    "tuned.model.channels=4",
  ]);
  assertEquals(refused.code, 2);
  const wrong = await project.cli(["run", ...ARGS, "--set", 'tuned.freeze=["dwn.*"]']);
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.stderr, 'did you mean "down.*"?');
});
