import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hostname } from "node:os";
import type { Json } from "../support/cli_process.ts";
import { Project } from "../support/project.ts";

const PIPELINE = `name: demo
stages:
  first: { uses: ./cook.ts, with: { text: first } }
  walk: { uses: ./walk.ts, with: { steps: 9, holdAt: 5 } }
  after: { uses: ./cook.ts, inputs: { from: walk } }
`;

/** Returns everything on disk below the project except caches, with the times of the last change. */
function picture(project: Project): string[] {
  return project.files(".").filter((name) => !name.startsWith(".noiseline/cache/")).map((name) => {
    const { size, mtime, ctime } = Deno.lstatSync(project.path(name));
    return `${name} ${size} ${mtime?.toISOString()} ${ctime?.toISOString()}`;
  });
}

function toldBy(project: Project, stage: string): Json {
  const name = project.files(".noiseline/runs").find((name) => name.endsWith(`${stage}.live.json`));
  return name === undefined ? undefined : JSON.parse(project.read(`.noiseline/runs/${name}`));
}

Deno.test("status, plan, why and show tell of a run that is on, wait for nothing and write nothing", async () => {
  await using project = new Project({ stages: ["cook", "walk"], files: { "p.yaml": PIPELINE } });
  await using run = project.start(["run", "p.yaml", "--json"]);
  await run.event(({ type, id, step }) => type === "stage-saved" && id === "walk" && step === 5);
  await run.event(({ type, id }) => type === "stage-finished" && id === "first");
  // The stage waits now; its progress is on disk within two seconds, however slow this machine is.
  for (let tries = 0; toldBy(project, "walk")?.done !== 5; tries++) {
    assert(tries < 600, `it told ${JSON.stringify(toldBy(project, "walk"))}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const before = picture(project);

  const [text, status, plan, planText, why, whyText, show] = await Promise.all([
    project.cli(["status", "p.yaml"]),
    project.cli(["status", "p.yaml", "--json"]),
    project.cli(["plan", "p.yaml", "--json"]),
    project.cli(["plan", "p.yaml"]),
    project.cli(["why", "p.yaml", "walk", "--json"]),
    project.cli(["why", "p.yaml", "walk"]),
    project.cli(["show", "p.yaml"]),
  ]);
  for (const { code, stderr } of [text, status, plan, planText, why, whyText, show]) {
    assertEquals([code, stderr], [0, ""]);
  }
  assertEquals(picture(project), before);

  const walkIn = (json: Json) => json.stages.find(({ id }: Json) => id === "walk");
  for (const json of [status.json, plan.json, why.json]) {
    const { state, fromStep, running } = walkIn(json);
    assertEquals([state, fromStep], ["resume", 5]);
    assertEquals([running.pid, running.host], [run.pid, hostname()]);
    const { done, total, unit } = running.progress;
    assertEquals([done, total, unit], [5, 9, "step"]);
  }
  assertEquals(status.json.running.map(({ now }: Json) => now), [["walk"]]);
  assertEquals(status.json.stages.map(({ id, state }: Json) => `${id} ${state}`).sort(), [
    "after run",
    "first cached",
    "walk resume",
  ]);
  // The stage reports five steps within milliseconds, so its speed is known.
  const pace = walkIn(status.json).running.progress.perSecond;
  assert(pace > 0, `${pace}`);
  assertMatch(text.stdout, /^walk +running +step 5 of 9, [\d.]+\/s, ETA \d/m);
  assertStringIncludes(text.stdout, `running: pid ${run.pid} on ${hostname()} since `);
  assertStringIncludes(planText.stdout, `running in pid ${run.pid}: step 5 of 9`);
  assertStringIncludes(whyText.stdout, `running in pid ${run.pid} on ${hostname()}: step 5 of 9`);
  assertStringIncludes(whyText.stdout, "continues at step 5 of 9: a run that has not finished saved it");

  run.signal("SIGTERM");
  assertEquals((await run.outcome()).code, 130);
  const ended = (await project.cli(["status", "p.yaml", "--json"])).json;
  assertEquals([ended.running, walkIn(ended).running, ended.last.status], [[], undefined, "interrupted"]);
  // Where it stopped stays known, and nothing else.
  assertEquals(project.files(".noiseline/runs").filter((name) => name.endsWith(".live.json")).length, 1);
});

Deno.test("a run that was killed is not taken for one that is on", async () => {
  await using project = new Project({ stages: ["cook", "walk"], files: { "p.yaml": PIPELINE } });
  await using run = project.start(["run", "p.yaml", "walk", "--json"]);
  await run.event(({ type, step }) => type === "stage-saved" && step === 5);
  run.signal("SIGKILL");
  await run.outcome();
  const { code, json } = await project.cli(["status", "p.yaml", "--json"]);
  assertEquals([code, json.running], [0, []]);
  assertEquals(json.stages.map(({ running }: Json) => running), [undefined, undefined, undefined]);
});
