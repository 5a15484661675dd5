import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { finalDigests, runAndCheckPlan } from "../support/check_plan.ts";
import type { Json } from "../support/cli_process.ts";
import { childrenOf, isGoneWithin } from "../support/proc.ts";
import { Project } from "../support/project.ts";

/** Settings with more steps than the smoke test has, so that there is time to interrupt each stage in the middle. */
const ARGS = [
  "smoke.yaml",
  "sample",
  ...[
    "train.steps=24",
    "train.checkpointEvery=4",
    "train.batchSize=16",
    "train.model.multipliers=[1]",
    "train.model.attention=[]",
    "sample.count=64",
    "sample.sampler.steps=40",
  ]
    .flatMap((set) => ["--set", set]),
];

function newProject(): Project {
  const project = new Project();
  project.copy("pipelines/smoke.yaml", "smoke.yaml");
  return project;
}

const isStarted = (wanted: string) => ({ type, id }: Json) => type === "stage-started" && id === wanted;

function plannedOf(plan: Json, id: string): [string, number | undefined] {
  const { state, fromStep } = plan.stages.find((stage: Json) => stage.id === id);
  return [state, fromStep];
}

Deno.test("run ends with the same bytes when dataset, train and sample are each stopped or killed on the way", async () => {
  await using whole = newProject();
  const expected = runAndCheckPlan(whole, ARGS).then(() => finalDigests(whole, ARGS));
  await using project = newProject();

  await using inDataset = project.start(["run", ...ARGS, "--json"]);
  await inDataset.event(isStarted("digits"));
  inDataset.signal("SIGKILL");
  assertEquals((await inDataset.outcome()).signal, "SIGKILL");

  await using inTrain = project.start(["run", ...ARGS, "--json"]);
  await inTrain.event(({ type, id, step }) => type === "stage-saved" && id === "train" && step >= 8);
  inTrain.signal("SIGINT");
  const stopped = await inTrain.outcome();
  assertEquals(stopped.code, 130);
  const saved = stopped.events.findLast(({ type }) => type === "stage-saved");
  const resume = (await project.cli(["plan", ...ARGS, "--json"])).json;
  assertEquals(plannedOf(resume, "train"), ["resume", saved.step]);

  await using again = project.start(["run", ...ARGS, "--json"]);
  await again.event(({ type, id, step }) => type === "stage-saved" && id === "train" && step >= saved.step + 4);
  Deno.kill(childrenOf(again.pid)[0]!, "SIGKILL");
  const lost = await again.outcome();
  assertEquals(lost.code, 1);
  assertStringIncludes(
    lost.events.find(({ type, state }) => type === "stage-finished" && state === "failed").message,
    "SIGKILL",
  );

  await using inSample = project.start(["run", ...ARGS, "--json"]);
  await inSample.event(({ type, id, update }) => type === "stage-progress" && id === "sample" && update.done >= 16);
  const [worker] = childrenOf(inSample.pid);
  inSample.signal("SIGTERM");
  assertEquals((await inSample.outcome()).code, 130);
  assert(await isGoneWithin(worker!));
  const [state, fromStep] = plannedOf((await project.cli(["plan", ...ARGS, "--json"])).json, "sample");
  assertEquals(state, "resume");
  assertEquals(fromStep! % 16, 0);

  await runAndCheckPlan(project, ARGS);
  assertEquals(await finalDigests(project, ARGS), await expected);
});

Deno.test("run gives the same bytes when training and sampling are extended and when they are long from the start", async () => {
  const long = ["smoke.yaml", "train", "sample", "--set", "train.steps=12", "--set", "sample.count=24"];
  const short = ["smoke.yaml", "train", "--set", "train.steps=6"];
  await using whole = newProject();
  const expected = runAndCheckPlan(whole, long).then(() => finalDigests(whole, long));
  await using project = newProject();
  await runAndCheckPlan(project, short);
  const shortDigests = await finalDigests(project, short);
  const extended = await runAndCheckPlan(project, long);
  assertEquals(plannedOf(extended.plan, "train"), ["extend", 6]);
  assertEquals(await finalDigests(project, long), await expected);

  // Fewer images of the same network: existing images are cut to the new count, and nothing is sampled again.
  const fewer = long.with(-1, "sample.count=16");
  const cut = await runAndCheckPlan(project, fewer);
  assertEquals(cut.ran, ["sample"]);

  // The shorter training still exists, and is not cut from the longer one.
  const back = await runAndCheckPlan(project, short);
  assertEquals(back.ended, { train: "restored" });
  assertEquals((await finalDigests(project, short))["train"], shortDigests["train"]);
});

Deno.test("run ends with the same bytes when training and evaluation are killed after saves that are due by time", async () => {
  const short = ["train.steps=12", "train.batchSize=16", "train.checkpointEvery=1000", "evaluate.batchSize=10"];
  const args = ["smoke.yaml", "evaluate", ...short.flatMap((set) => ["--set", set])];
  // These settings are in no key: every step and batch is due to be saved, as after ten minutes.
  const timed = [...args, "--set", "train.saveEverySeconds=0", "--set", "evaluate.saveEverySeconds=0"];
  await using whole = newProject();
  const expected = runAndCheckPlan(whole, args).then(() => finalDigests(whole, args));
  await using project = newProject();
  for (const [id, saved] of [["train", 3], ["evaluate", 20]] as const) {
    await using running = project.start(["run", ...timed, "--json"]);
    await running.event((event) => event.type === "stage-saved" && event.id === id && event.step >= saved);
    running.signal("SIGKILL");
    await running.outcome();
    const [state, fromStep] = plannedOf((await project.cli(["plan", ...args, "--json"])).json, id);
    assertEquals([state, fromStep! >= saved], ["resume", true]);
  }
  await runAndCheckPlan(project, args);
  assertEquals(await finalDigests(project, args), await expected);
});
