import { delay } from "@std/async";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { finalDigests, runAndCheckPlan } from "../support/check_plan.ts";
import type { Running } from "../support/cli_process.ts";
import { childrenOf, hasProgram, isGoneWithin, onlyIf } from "../support/proc.ts";
import { Project } from "../support/project.ts";
import { answerOnTerminal } from "../support/terminal.ts";

/**
 * A pipeline whose walk saves every step and waits in its fifth until it is stopped; a run that starts from there does
 * not wait.
 */
const PIPELINE = `name: demo
stages:
  walk: { uses: ./walk.ts, with: { steps: 9, holdAt: 5 } }
  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 50 } }
`;

const UNINTERRUPTED = ["p.yaml", "--set", "walk.holdAt=0"];

function newProject(pipeline: string = PIPELINE): Project {
  return new Project({ stages: ["walk"], files: { "p.yaml": pipeline } });
}

let expected: ReturnType<typeof finalDigests> | undefined;

/** Returns the digests of an undisturbed run. */
async function expectedDigests() {
  expected ??= (async () => {
    await using project = newProject();
    await runAndCheckPlan(project, UNINTERRUPTED);
    return await finalDigests(project, UNINTERRUPTED);
  })();
  return await expected;
}

/** Starts a run and waits until the walk is at its fifth step. */
async function startHeld(project: Project, args: readonly string[] = []): Promise<Running> {
  const running = project.start(["run", "p.yaml", "walk", ...args, "--json"]);
  await running.event(({ type, step }) => type === "stage-saved" && step === 5);
  return running;
}

/** Checks that the same command plans to continue from the fifth step, and ends as if nothing had happened. */
async function continueAndCompare(project: Project): Promise<void> {
  const { plan, ran } = await runAndCheckPlan(project, ["p.yaml"]);
  const walk = plan.stages.find(({ id }: { id: string }) => id === "walk");
  assertEquals([walk.state, walk.fromStep], ["resume", 5]);
  assertEquals(ran, ["noise", "walk"]);
  assertEquals(await finalDigests(project, ["p.yaml"]), await expectedDigests());
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`run saves, says how to go on and exits with 130 when it gets ${signal}`, async () => {
    await using project = newProject();
    await using running = await startHeld(project);
    running.signal(signal);
    const { code, events } = await running.outcome();
    assertEquals(code, 130);
    const [stopping] = events.filter(({ type }) => type === "stopping");
    assertStringIncludes(stopping.reason, signal);
    assertStringIncludes(
      stopping.reason,
      signal === "SIGINT" ? "press Ctrl-C again to stop now" : "send SIGTERM again",
    );
    assertEquals(events.at(-1).status, "interrupted");
    assertEquals(project.shown(), []);
    assertEquals(project.list(".noiseline/results"), []);
    await continueAndCompare(project);
  });
}

Deno.test("run says in words how to go on when it is interrupted", async () => {
  await using project = newProject();
  await using running = project.start(["run", "p.yaml", "walk"]);
  await running.said("walk: run");
  running.signal("SIGINT");
  const { code, stdout, stderr } = await running.outcome();
  assertEquals(code, 130, stderr);
  assertStringIncludes(stderr, "SIGINT: each stage finishes its step, saves and stops; press Ctrl-C again to stop now");
  assertMatch(stdout, /walk: interrupted; run again to (continue|go on from step \d+)\n/);
  assertStringIncludes(stdout, "; the same command continues");
});

Deno.test("run goes on from the last saved step when it was killed", async () => {
  await using project = newProject();
  await using running = await startHeld(project);
  const [worker] = childrenOf(running.pid);
  running.signal("SIGKILL");
  await running.outcome();
  assert(await isGoneWithin(worker!), "the worker outlives its parent");
  assertEquals(project.list(".noiseline/results"), []);
  // The leftovers of the killed run disturb nothing.
  assertEquals(project.list(".noiseline/tmp").length, 1);
  await continueAndCompare(project);
});

Deno.test("run fails the stage and goes on later when its worker was killed", async () => {
  await using project = newProject();
  await using running = await startHeld(project);
  Deno.kill(childrenOf(running.pid)[0]!, "SIGKILL");
  const { code, events } = await running.outcome();
  assertEquals(code, 1);
  const [end] = events.filter(({ type }) => type === "stage-finished");
  assertEquals([end.id, end.state], ["walk", "failed"]);
  assertStringIncludes(end.message, "SIGKILL");
  await continueAndCompare(project);
});

Deno.test("run tries again by itself when a worker was killed and the stage has retries", async () => {
  await using project = newProject(PIPELINE.replace("holdAt: 5 }", "holdAt: 5 }, retries: 1"));
  await using running = await startHeld(project);
  Deno.kill(childrenOf(running.pid)[0]!, "SIGKILL");
  const { code, events } = await running.outcome();
  assertEquals(code, 0);
  const [note] = events.filter(({ type }) => type === "stage-note");
  assertStringIncludes(note.message, "trying again");
  assertEquals(project.executions("walk"), 2);
  assertEquals((await finalDigests(project, ["p.yaml", "walk"]))["walk"], (await expectedDigests())["walk"]);
});

Deno.test({
  ...onlyIf(
    hasProgram("script"),
    "script is not there to make a terminal",
    "one Ctrl-C on a terminal, which `deno task` passes on as well, saves the step and stops",
  ),
  async fn() {
    await using project = newProject(
      "name: demo\nstages:\n  walk: { uses: ./walk.ts, with: { steps: 200, saveEvery: 1000 } }\n",
    );
    // If the process is killed during such a long step, nothing of the step is kept.
    const slow = "await new Promise((done) => setTimeout(done, 500));\n      hashes.push";
    const told = project.read("walk.ts").replace("progress, outputs", "progress, note, outputs")
      .replace("const from", 'note("walking");\n    const from');
    project.write("walk.ts", told.replace("hashes.push", slow));
    // The system may merge two signals that arrive at once into one.
    for (let before = 0, press = 0; press < 3; press++) {
      const { code, said } = await answerOnTerminal(project, ["run", "p.yaml"], {
        at: "walk: walking",
        answer: "\u0003",
        byTask: true,
      });
      assertEquals(code, 130, said);
      const [walk] = (await project.cli(["plan", "p.yaml", "--json"])).json.stages;
      assert(walk.fromStep > before, said);
      before = walk.fromStep;
    }
  },
});

Deno.test("run stops at once when it gets a second signal", async () => {
  await using project = newProject();
  await using running = await startHeld(project, ["--set", "walk.deaf=true"]);
  const [worker] = childrenOf(running.pid);
  running.signal("SIGINT");
  await running.event(({ type }) => type === "stopping");
  // Nobody presses twice faster, and one press may arrive as two signals.
  await delay(500);
  running.signal("SIGINT");
  const { code } = await running.outcome();
  assertEquals(code, 130);
  assert(await isGoneWithin(worker!), "the worker goes on");
  await continueAndCompare(project);
});

Deno.test("status names the process to signal when a run is on and forgets it when it was killed", async () => {
  await using project = newProject();
  await using running = await startHeld(project);
  const during = (await project.cli(["status", "p.yaml", "--json"])).json;
  assertEquals(during.running.map(({ pid, now }: { pid: number; now: string[] }) => [pid, now]), [
    [running.pid, ["walk"]],
  ]);
  running.signal("SIGKILL");
  await running.outcome();
  assertEquals((await project.cli(["status", "p.yaml", "--json"])).json.running, []);
});

Deno.test("run takes its worker with it when it is killed and there is no setpriv", async () => {
  await using project = newProject();
  await using running = project.start(["run", "p.yaml", "walk", "--json"], { env: { PATH: "/nowhere" } });
  await running.event(({ type, step }) => type === "stage-saved" && step === 5);
  const [worker] = childrenOf(running.pid);
  running.signal("SIGKILL");
  await running.outcome();
  assert(await isGoneWithin(worker!), "the worker outlives its parent");
});
