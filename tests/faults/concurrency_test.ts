import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { compareWithPlan, finalDigests, runAndCheckPlan } from "../support/check_plan.ts";
import { FaultProject } from "../support/faults/project.ts";
import type { Verdict } from "../support/faults/reference.ts";
import { ALL, Tally } from "../support/faults/tally.ts";
import { childrenOf } from "../support/proc.ts";
import { Project } from "../support/project.ts";

const WIDE = `name: demo
stages:
  a: { uses: ./cook.ts, with: { text: a } }
  b: { uses: ./cook.ts, with: { text: b } }
  c: { uses: ./cook.ts, inputs: { from: [a] } }
  d: { uses: ./cook.ts, inputs: { from: [b, c] } }
  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 100 } }
`;

Deno.test("run executes each stage once in total when two runs start at the same time", async () => {
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": WIDE } });
  const plan = (await project.cli(["plan", "p.yaml", "--json"])).json;
  const both = await Promise.all([1, 2].map(() => project.cli(["run", "p.yaml", "--json"])));
  assertEquals(both.map(({ code }) => code), [0, 0], both.map(({ stdout, stderr }) => stdout + stderr).join("\n"));
  const ran = both.flatMap(({ events }) => compareWithPlan(plan, events, false).ran).sort();
  assertEquals(ran, ["a", "b", "c", "d", "noise"]);
  for (const id of ["a", "b", "c", "d"]) assertEquals(project.executions(id), 1, id);
  assertEquals(project.shown(), ["a", "b", "c", "d", "noise"]);
  assertEquals(project.list(".noiseline/tmp"), []);
  assertMatch((await project.cli(["run", "p.yaml"])).stdout, /^demo: nothing to do \(5 stages cached\)\npage: .*\n$/);
});

/** Pipelines that share their first two stages with all others and one with a neighbour, and have one of their own. */
function overlapping(n: number): string {
  return `name: n${n}
stages:
  first: { uses: join, with: { text: first, file: data.txt } }
  walk: { uses: walk, inputs: { from: first }, with: { steps: 4, pauseMs: 50 } }
  pair: { uses: join, inputs: { from: [first] }, with: { text: pair ${n >> 1} } }
  own: { uses: join, inputs: { from: [pair, walk.out] }, with: { text: own ${n} } }
`;
}

for (const count of [2, 8]) {
  Deno.test(`${count} runs of overlapping pipelines at once all succeed and execute each key once`, async () => {
    const numbers = Array.from({ length: count }, (_, n) => n);
    const rounds = ALL ? 10 : 1;
    const tally = new Tally(`${count} runs at once on one store`, rounds);
    for (let round = 0; round < rounds; round++) {
      const files = Object.fromEntries(numbers.map((n) => [`n${n}.yaml`, overlapping(n)]));
      await using project = new FaultProject(files);
      const runs = await Promise.all(numbers.map(async (n) => {
        await using running = project.launch([], {}, { file: `n${n}.yaml` });
        return await running.outcome();
      }));
      const verdict: Verdict = { lost: [], wrong: [] };
      for (const { code, stdout, stderr } of runs) if (code !== 0) verdict.wrong.push(`${code}: ${stdout}${stderr}`);
      const started = runs.flatMap(({ events }) => events.filter(({ type }) => type === "stage-started"));
      for (const [key, all] of Map.groupBy(started, ({ resolvedKey }) => resolvedKey)) {
        if (all.length !== 1) verdict.lost.push(`${all[0].id} (${key}) ran ${all.length} times`);
      }
      assertEquals(Object.keys(project.results()).length, 2 + Math.ceil(count / 2) + count);
      for (const n of numbers) {
        const walked = project.read(`outputs/n${n}/walk/out/last.txt`);
        const own = project.read(`outputs/n${n}/own/text.txt`);
        const parts = [`own ${n}\n`, `pair ${n >> 1}\n`, "first\n", walked];
        if (!parts.every((part) => own.includes(part))) verdict.wrong.push(`own of ${n} holds ${own}`);
      }
      verdict.wrong.push(...project.wrongObjects(), ...project.list(".noiseline/tmp"));
      tally.add(`round ${round}`, verdict);
    }
    tally.close();
  });
}

Deno.test("run waits, names who it waits for and takes over when the other run of a stage is stopped", async () => {
  const file = "name: demo\nstages:\n  walk: { uses: ./walk.ts, with: { steps: 6, holdAt: 3 } }\n";
  await using project = new Project({ stages: ["walk"], files: { "p.yaml": file } });
  await using first = project.start(["run", "p.yaml", "--json"]);
  await first.event(({ type, step }) => type === "stage-saved" && step === 3);
  await using second = project.start(["run", "p.yaml", "--json"]);
  const waiting = await second.event(({ type }) => type === "stage-waiting");
  assertEquals(waiting.id, "walk");
  assertStringIncludes(waiting.holder, `pid ${first.pid} `);
  // Readers never wait.
  assertEquals((await project.cli(["plan", "p.yaml", "--json"])).json.stages[0].fromStep, 3);
  first.signal("SIGTERM");
  assertEquals((await first.outcome()).code, 130);
  assertEquals((await second.outcome()).code, 0);
  const steps = second.outcome().then(({ events }) => events.filter(({ type }) => type === "stage-saved"));
  assertEquals((await steps).map(({ step }) => step), [4, 5, 6]);
  assertEquals(project.executions("walk"), 2);
});

Deno.test("run stops waiting for another run when it is interrupted itself", async () => {
  const file = "name: demo\nstages:\n  walk: { uses: ./walk.ts, with: { steps: 6, holdAt: 3 } }\n";
  await using project = new Project({ stages: ["walk"], files: { "p.yaml": file } });
  await using first = project.start(["run", "p.yaml", "--json"]);
  await first.event(({ type, step }) => type === "stage-saved" && step === 3);
  await using second = project.start(["run", "p.yaml", "--json"]);
  await second.event(({ type }) => type === "stage-waiting");
  second.signal("SIGINT");
  const { code, events } = await second.outcome();
  assertEquals([code, events.at(-1).status, events.at(-1).counts.blocked], [130, "interrupted", 1]);
  assertEquals(project.executions("walk"), 1);
});

Deno.test("run starts no second stage when --jobs is 1 and another stage is at work", async () => {
  const file = "name: demo\nstages:\n  walk: { uses: ./walk.ts, with: { steps: 6, holdAt: 3 } }\n";
  await using project = new Project({ stages: ["walk"] });
  project.write("p.yaml", `${file}  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 100 } }\n`);
  await using running = project.start(["run", "p.yaml", "--jobs", "1", "--json"]);
  await running.event(({ type, step }) => type === "stage-saved" && step === 3);
  running.signal("SIGINT");
  const { code, events } = await running.outcome();
  assertEquals(code, 130);
  assertEquals(events.filter(({ type }) => type === "stage-started").map(({ id }) => id), ["walk"]);
  const { interrupted, blocked } = events.at(-1).counts;
  assertEquals([interrupted, blocked], [1, 1]);
});

Deno.test("run reaches only what it is asked for when stages are named", async () => {
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": WIDE } });
  const some = await runAndCheckPlan(project, ["p.yaml", "c"], { runOnly: ["--jobs", "1"] });
  assertEquals(some.ran, ["a", "c"]);
  assertEquals(project.shown(), ["a", "c"]);
  assertEquals((await runAndCheckPlan(project, ["p.yaml"])).ran, ["b", "d", "noise"]);
  // A target whose result exists needs no upstream results.
  project.remove("outputs");
  assertEquals((await runAndCheckPlan(project, ["p.yaml", "d"])).ended, { d: "restored" });
});

Deno.test("run --force keeps the bytes without a word when a stage is deterministic", async () => {
  await using project = new Project({ stages: ["cook", "walk"] });
  project.write("p.yaml", `${WIDE}  walk: { uses: ./walk.ts, with: { steps: 4 } }\n`);
  await runAndCheckPlan(project, ["p.yaml"]);
  const before = await finalDigests(project, ["p.yaml"]);
  const one = await runAndCheckPlan(project, ["p.yaml", "--force", "a"]);
  assertEquals(one.ended, { a: "ran", c: "cached", d: "cached" });
  const all = await project.cli(["run", "p.yaml", "--json", "--force-all"]);
  assertEquals(all.code, 0);
  assertEquals(all.events.at(-1).counts.ran, 6);
  assertEquals(all.events.filter(({ type, level }) => type === "warning" || level === "warn"), []);
  assertEquals(await finalDigests(project, ["p.yaml"]), before);
  // A forced walk starts at its first step although all of its steps are saved.
  assertEquals(all.events.filter(({ type, id }) => type === "stage-saved" && id === "walk").length, 4);
});

Deno.test("run --force names both digests and keeps the first when a stage is not deterministic", async () => {
  await using project = new Project({ stages: ["misbehave", "cook"] });
  project.write(
    "p.yaml",
    `name: demo
stages:
  dice: { uses: ./misbehave.ts, with: { mode: random } }
  after: { uses: ./cook.ts, inputs: { from: [dice] } }
`,
  );
  await runAndCheckPlan(project, ["p.yaml"]);
  const first = await finalDigests(project, ["p.yaml"]);
  const kept = await runAndCheckPlan(project, ["p.yaml", "--force", "dice"]);
  assertEquals(kept.ended, { after: "cached", dice: "ran" });
  const [warning] = kept.outcome.events.filter(({ level }) => level === "warn");
  assertStringIncludes(warning.message, "not deterministic");
  const [, old, fresh] = /out ([0-9a-f]{12}) and ([0-9a-f]{12})/.exec(warning.message)!;
  assert(first["dice"]!["out"]!.startsWith(old!));
  assertEquals(await finalDigests(project, ["p.yaml"]), first);

  const replaced = await runAndCheckPlan(project, ["p.yaml", "--force", "dice"], { runOnly: ["--replace"] });
  assertEquals(replaced.ended, { after: "ran", dice: "ran" });
  const second = await finalDigests(project, ["p.yaml"]);
  assert(second["dice"]!["out"] !== first["dice"]!["out"]);
  assert(!second["dice"]!["out"]!.startsWith(fresh!));
});

Deno.test("run executes a forced stage again when its worker was killed and it has retries", async () => {
  const file = "name: demo\nstages:\n  walk: { uses: ./walk.ts, retries: 1, with: { steps: 4 } }\n";
  await using project = new Project({ stages: ["walk"], files: { "p.yaml": file } });
  await runAndCheckPlan(project, ["p.yaml"]);
  await using running = project.start(["run", "p.yaml", "--json", "--force", "walk", "--set", "walk.holdAt=3"]);
  await running.event(({ type, step }) => type === "stage-saved" && step === 3);
  Deno.kill(childrenOf(running.pid)[0]!, "SIGKILL");
  // The second try is forced too, so it walks from the start and waits again.
  await running.event(({ type, level }) => type === "stage-note" && level === "warn");
  await running.event(({ type, id, state }) => type === "stage-started" && id === "walk" && state === "run");
  running.signal("SIGINT");
  assertEquals((await running.outcome()).code, 130);
});
