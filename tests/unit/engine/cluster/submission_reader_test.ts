import { assertEquals } from "@std/assert";
import { SubmissionReader } from "../../../../engine/cluster/submission_reader.ts";
import { readFigures } from "../../../../engine/live/run_reader.ts";
import type { QueuedJob } from "../../../../engine/cluster/queue.ts";
import { openSubmission } from "../../../../engine/cluster/submission.ts";
import { RunStore } from "../../../../engine/store/runs.ts";
import { Project } from "../../../support/project.ts";
import { execute, submit, valueOf } from "../../../support/cluster.ts";

const PIPELINE = `name: demo
stages:
  noise: { uses: schedule, with: { betas: ldm/cosine, timesteps: 8 } }
  copy: { uses: schedule, with: { betas: ldm/cosine, timesteps: 9 }, needs: [noise] }
`;

function job(id: string, comment: string, state: QueuedJob["state"]): QueuedJob {
  return {
    id,
    name: "",
    comment,
    state,
    word: "",
    reason: state === "waiting" ? "others come first" : "",
  } as QueuedJob;
}

Deno.test("SubmissionReader tells what jobs wait, run and have ended, with the figures of the newest attempt", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE } });
  const submitted = await submit(project, ["noise.timesteps=10"]);
  const reader = new SubmissionReader("lab", project.path("shared"));
  const submission = valueOf(openSubmission(submitted.folder));
  const { id } = submission.head;
  const look = (...states: QueuedJob["state"][]) => {
    const [run] = reader.readSubmissions(states.map((state, part) => job(`${7 + part}`, `${id}:${part}:x`, state)));
    return run!;
  };
  const statesOf = (run: ReturnType<typeof look>) => [run.state, ...run.stages.map(({ state }) => state)];

  const waiting = look("waiting", "waiting");
  assertEquals(statesOf(waiting), ["running", "waiting", "waiting"]);
  assertEquals([waiting.runId, waiting.pipeline, waiting.cluster, waiting.overrides], [
    ...[id, "demo", "lab", ["noise.timesteps=10"]],
  ]);
  const [noise] = waiting.stages;
  assertEquals([noise!.kind, noise!.message], ["schedule", "others come first"]);
  assertEquals(noise!.params.find(({ path }) => path === "with.timesteps")!.value, 10);
  assertEquals(reader.placeOf(id, "noise"), undefined);

  assertEquals((await execute(submitted, 0)).end?.state, "ran");
  assertEquals(statesOf(look("done", "waiting")), ["running", "ran", "waiting"]);
  // If the queue is silent, only the stages that have ended are known.
  assertEquals(statesOf(reader.readSubmissions()[0]!), ["running", "ran", "run"]);
  assertEquals(statesOf(look()), ["killed", "ran", "run"]);
  assertEquals(statesOf(look("done", "cancelled")), ["failed", "ran", "failed"]);

  const runs = new RunStore(submission.runsOf(0));
  const [attempt] = runs.ids();
  const row = { step: 3, at: "", figures: { loss: 1 } };
  runs.addFigures(attempt!, "noise", row);
  assertEquals(readFigures(reader.placeOf(id, "noise")!).rows, [row]);
  assertEquals([reader.placeOf(id, "none"), reader.placeOf("none", "noise")], [undefined, undefined]);
  assertEquals((await execute(submitted, 1)).end?.state, "ran");
  assertEquals(statesOf(look()), ["done", "ran", "ran"]);
});
