import { assert, assertEquals } from "@std/assert";
import { finalDigests, runAndCheckPlan } from "../support/check_plan.ts";
import type { Json } from "../support/cli_process.ts";
import { Project } from "../support/project.ts";

const PIPELINE = `name: demo
stages:
  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 50 } }
  other: { uses: schedule, with: { betas: ho/linear, timesteps: 900 } }
`;

type Damage = (project: Project, name: string) => void;

const DAMAGES: Readonly<Record<string, Damage>> = {
  "cut short": (project, name) => {
    const path = project.path(name);
    Deno.truncateSync(path, Deno.statSync(path).size >> 1);
  },
  "filled with noise": (project, name) => {
    project.write(name, Uint8Array.from({ length: 512 }, (_, index) => (index * 151) ^ 0x5a));
  },
  "another record": (project, name) => project.write(name, '{"format":99,"stage":"noise"}\n'),
  empty: (project, name) => project.write(name, ""),
};

/** Records of a store, and the pattern of their names. */
const RECORDS: Readonly<Record<string, RegExp>> = {
  "the index": /^index\.jsonl$/,
  "the record of views": /^views\//,
  "run records": /^runs\//,
  timings: /^timings\.jsonl$/,
  "remembered digests": /^cache\//,
  "lock files": /^locks\//,
};

async function damageAndRun(project: Project, names: RegExp, apply: Damage, what: string): Promise<void> {
  const found = project.files(".noiseline").filter((name) => names.test(name));
  assert(found.length > 0, what);
  for (const name of found) apply(project, `.noiseline/${name}`);
  const { ran } = await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(ran, [], what);
  assertEquals(project.shown(), ["noise", "other"], what);
}

/** Makes a store with a record of each kind. */
async function fullStore(): Promise<Project> {
  const project = new Project({ files: { "p.yaml": PIPELINE } });
  await runAndCheckPlan(project, ["p.yaml"]);
  // The engine remembers no digest of a file that is still new; this line stands for a digest from before.
  project.write(".noiseline/cache/digests.jsonl", '{"path":"/x","sha256":"0"}\n');
  return project;
}

Deno.test("run ends with the same digests when one sort of record is cut short", async (t) => {
  await using project = await fullStore();
  const digests = await finalDigests(project, ["p.yaml"]);
  for (const [record, names] of Object.entries(RECORDS)) {
    await t.step(record, async () => {
      await damageAndRun(project, names, DAMAGES["cut short"]!, record);
      assertEquals(await finalDigests(project, ["p.yaml"]), digests);
    });
  }
});

Deno.test("run ends with the same digests when no record but the manifests can be read", async (t) => {
  await using project = await fullStore();
  const digests = await finalDigests(project, ["p.yaml"]);
  const all = new RegExp(Object.values(RECORDS).map(({ source }) => source).join("|"));
  for (const [damage, apply] of Object.entries(DAMAGES)) {
    await t.step(damage, async () => {
      await damageAndRun(project, all, apply, damage);
      assertEquals((await project.cli(["status", "p.yaml", "--json"])).code, 0);
      assertEquals(await finalDigests(project, ["p.yaml"]), digests);
    });
  }
});

Deno.test("run makes a result again when neither its manifest nor the index can be read", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE } });
  await runAndCheckPlan(project, ["p.yaml"]);
  const digests = await finalDigests(project, ["p.yaml"]);
  for (const [damage, apply] of Object.entries(DAMAGES)) {
    for (const name of project.files(".noiseline/results")) apply(project, `.noiseline/results/${name}`);
    project.remove(".noiseline/index.jsonl");
    const { ran } = await runAndCheckPlan(project, ["p.yaml"]);
    assertEquals(ran, ["noise", "other"], damage);
    assertEquals(await finalDigests(project, ["p.yaml"]), digests);
  }
});

Deno.test("run believes no manifest that names another key when one is copied to a wrong place", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE } });
  await runAndCheckPlan(project, ["p.yaml"]);
  const digests = await finalDigests(project, ["p.yaml"]);
  const [one, two] = project.files(".noiseline/results").filter((name) => name.endsWith(".json"));
  project.write(`.noiseline/results/${one}`, project.read(`.noiseline/results/${two}`));
  project.remove(".noiseline/index.jsonl");
  assertEquals((await runAndCheckPlan(project, ["p.yaml"])).ran.length, 1);
  assertEquals(await finalDigests(project, ["p.yaml"]), digests);
});

Deno.test("run loses no later record when a line was torn by a kill", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE } });
  await runAndCheckPlan(project, ["p.yaml"]);
  for (const name of [".noiseline/index.jsonl", ".noiseline/views/demo.jsonl", ".noiseline/timings.jsonl"]) {
    Deno.writeTextFileSync(project.path(name), '{"stage":"noi', { append: true });
  }
  const changed = ["p.yaml", "--set", "noise.timesteps=60"];
  assertEquals((await runAndCheckPlan(project, changed)).ran, ["noise"]);
  assertEquals((await runAndCheckPlan(project, changed)).ended, {});
  assertEquals(project.shown(), ["noise", "other"]);
});

Deno.test("run goes back to the state before when the newest saved state is broken", async () => {
  const file = "name: demo\nstages:\n  walk: { uses: ./walk.ts, with: { steps: 9, holdAt: 5 } }\n";
  const whole = ["p.yaml", "--set", "walk.holdAt=0"];
  await using straight = new Project({ stages: ["walk"], files: { "p.yaml": file } });
  await runAndCheckPlan(straight, whole);
  const expected = straight.read("outputs/demo/walk/all.txt");

  const isStep = (step: number, what: string) => (name: string) => name.endsWith(`/step-${step}/${what}`);
  const cases: readonly (readonly [string, string, Damage, number])[] = [
    ["its manifest is cut short", "manifest.json", DAMAGES["cut short"]!, 4],
    ["a file of it is cut short", "hashes", DAMAGES["cut short"]!, 4],
    // A flipped bit is only found when the state is read, so the plan still counts on the state.
    ["a bit of it flipped", "hashes", (project, name) => {
      const bytes = Deno.readFileSync(project.path(name));
      bytes[3]! ^= 1;
      project.write(name, bytes);
    }, 5],
  ];
  for (const [what, part, apply, from] of cases) {
    await using project = new Project({ stages: ["walk"], files: { "p.yaml": file } });
    await using running = project.start(["run", "p.yaml", "--json"]);
    await running.event(({ type, step }) => type === "stage-saved" && step === 5);
    running.signal("SIGKILL");
    await running.outcome();
    const name = project.files(".noiseline/progress").find(isStep(5, part))!;
    apply(project, `.noiseline/progress/${name}`);
    const { plan, outcome } = await runAndCheckPlan(project, whole);
    assertEquals([plan.stages[0].state, plan.stages[0].fromStep], ["resume", from], what);
    const saved = outcome.events.filter(({ type }: Json) => type === "stage-saved").map(({ step }: Json) => step);
    assertEquals(saved, [5, 6, 7, 8, 9], what);
    assertEquals(project.read("outputs/demo/walk/all.txt"), expected, what);
  }
});
