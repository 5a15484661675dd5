import { statfsSync } from "node:fs";
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { finalDigests, runAndCheckPlan } from "../support/check_plan.ts";
import { encodeNpy } from "../../science/formats/npy.ts";
import { hasProgram, isRoot, onlyIf } from "../support/proc.ts";
import { Project } from "../support/project.ts";

const KIBIBYTE = 1024;
const MOUNTS = isRoot() && hasProgram("mount");

/** A stage that writes as many bytes as its params say, through its output or by itself. */
const FILL = `import { defineStage } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "Fills the disk",
  params: z.strictObject({ kibibytes: z.int(), itself: z.boolean().default(false) }),
  inputs: {},
  outputs: { out: { type: "files", description: "Zeros" } },
  async run({ params, outputs }) {
    const bytes = new Uint8Array(params.kibibytes * 1024);
    if (params.itself) await Deno.writeFile(outputs.out.folder + "/zeros", bytes);
    else await outputs.out.write("zeros", bytes);
  },
});
`;

const PIPELINE = `name: demo
stages:
  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 50 } }
  fill: { uses: ./fill.ts, with: { kibibytes: 700 } }
`;

/** Mounts a small separate file system in the project's folder. */
async function mountSmall(project: Project, kibibytes: number): Promise<AsyncDisposable> {
  const target = project.path("small");
  Deno.mkdirSync(target);
  const call = async (program: string, args: string[]) => {
    const { success, stderr } = await new Deno.Command(program, { args }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  };
  await call("mount", ["-t", "tmpfs", "-o", `size=${kibibytes}k`, "tmpfs", target]);
  return { [Symbol.asyncDispose]: () => call("umount", [target]) };
}

const STORE = ["--store", "small/store"];

Deno.test({
  ...onlyIf(MOUNTS, "only root can mount a small disk", "run fails cleanly and works later when the disk is full"),
  async fn(t) {
    const kinds = { "in a stage's own writes": true, "in an output": false };
    for (const [where, itself] of Object.entries(kinds)) {
      await t.step({
        name: where,
        fn: async () => {
          await using project = new Project({ files: { "p.yaml": PIPELINE, "fill.ts": FILL } });
          // With room for the files that Deno needs for the stage's process, once the ballast is removed.
          await using _disk = await mountSmall(project, 6144);
          project.write("small/ballast", new Uint8Array(5596 * KIBIBYTE));
          const args = ["p.yaml", ...STORE, "--set", `fill.itself=${itself}`];
          const full = await runAndCheckPlan(project, args, { runOnly: ["--keep-going"], code: 1 });
          assertEquals(full.ended, { fill: "failed", noise: "ran" });
          const end = full.outcome.events.find(({ id, state }) => id === "fill" && state === "failed");
          assertMatch(end.message, /cannot write.*No space left/);
          assertStringIncludes(end.fix, "free some space");
          assertEquals(project.shown("small/outputs/demo"), ["noise"]);
          assertEquals(project.list("small/store/tmp"), []);

          project.remove("small/ballast");
          const after = await runAndCheckPlan(project, args);
          assertEquals(after.ended, { fill: "ran" });
          await finalDigests(project, args);
        },
      });
    }
    await t.step({
      name: "in the store, at whatever write it happens",
      fn: async () => {
        await using project = new Project({ files: { "p.yaml": PIPELINE, "fill.ts": FILL } });
        await using _disk = await mountSmall(project, 2048);
        const args = ["p.yaml", "noise", ...STORE];
        const fillUp = (freeKibibytes: number) => {
          project.write("small/ballast", "");
          const free = Number(statfsSync(project.path("small")).bavail) * 4 * KIBIBYTE;
          project.write("small/ballast", new Uint8Array(free - freeKibibytes * KIBIBYTE));
        };
        const fails = async (what: string) => {
          const { code, stdout, stderr } = await project.cli(["run", ...args]);
          const said = `${what}: ${stdout}${stderr}`;
          assertEquals(code, 1, said);
          assert(!stderr.includes("internal error"), said);
          assertStringIncludes(stdout + stderr, "No space left", said);
          project.remove("small/ballast");
          await runAndCheckPlan(project, args);
          await finalDigests(project, args);
        };
        // Free space shrinks: first the outputs do not fit, in the end not even the record of the run does.
        for (const free of [40, 12, 4, 0]) {
          for (const name of ["outputs", "store"]) if (project.exists(`small/${name}`)) project.remove(`small/${name}`);
          fillUp(free);
          await fails(`${free} KiB free`);
        }
        project.remove("small/outputs");
        fillUp(8);
        await fails("restoring a view");
      },
    });
  },
});

Deno.test({
  ...onlyIf(MOUNTS, "only root can mount a small disk", "new writes all of its files on a full disk, or none"),
  async fn() {
    await using project = new Project();
    await using _disk = await mountSmall(project, 256);
    const outcomes = new Set<number>();
    for (let free = 0; free <= 48; free += 4) {
      for (const name of ["ballast", "mine"]) if (project.exists(`small/${name}`)) project.remove(`small/${name}`);
      project.write("small/ballast", new Uint8Array((256 - free) * KIBIBYTE));
      const { code, stderr } = await project.cli(["new", "stage", "bright", "--folder", "small/mine/inner"]);
      outcomes.add(code);
      const there = code === 0 ? ["bright.ts", "bright.yaml", "bright_test.ts"] : [];
      assertEquals(project.files("small/mine"), there.map((name) => `inner/${name}`), `${free} KiB free: ${stderr}`);
      if (code !== 0) assertMatch(stderr, /^error: cannot write to .*No space left.*\n {2}fix: .*room/);
      assertEquals(project.exists("small/mine"), code === 0);
    }
    assertEquals(outcomes, new Set([2, 0]));
  },
});

Deno.test("run refuses a pipeline when it may not read its file", async (t) => {
  await t.step({
    ...onlyIf(
      isRoot() && hasProgram("setpriv"),
      "only root can give a file away and drop its powers",
      "a file of another user",
    ),
    fn: async () => {
      await using project = new Project({ files: { "p.yaml": PIPELINE } });
      // Without its capabilities, root is a user like any other, but still owns Deno's cache.
      Deno.chownSync(project.path("p.yaml"), 65_534, 65_534);
      Deno.chmodSync(project.path("p.yaml"), 0o600);
      const prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
      const { code, stderr } = await project.cli(["run", "p.yaml"], { prefix });
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, "Cannot read p.yaml: permission denied");
      assertEquals(project.list("."), ["deno.json", "p.yaml"]);
    },
  });
});

Deno.test({
  ...onlyIf(
    MOUNTS,
    "only root can mount a small disk",
    "a training whose save finds the disk full says so once, and goes on later from an earlier save",
  ),
  async fn() {
    await using project = new Project();
    project.copy("pipelines/smoke.yaml", "smoke.yaml");
    await using _disk = await mountSmall(project, 65_536);
    const args = ["smoke.yaml", "train", ...STORE, "--set", "train.steps=400", "--set", "train.saveEverySeconds=0"];
    await using running = project.start(["run", ...args, "--json"]);
    await running.event(({ type, step }) => type === "stage-saved" && step >= 2);
    {
      // Another program takes all of the remaining space.
      using ballast = Deno.openSync(project.path("small/ballast"), { write: true, create: true });
      assertThrows(
        () => {
          while (true) ballast.writeSync(new Uint8Array(64 * KIBIBYTE));
        },
        Error,
        "No space left",
      );
    }
    const { code, events, stderr } = await running.outcome();
    assertEquals(code, 1, stderr);
    const [end] = events.filter(({ type, state }) => type === "stage-finished" && state === "failed");
    assertEquals(end.id, "train");
    assertMatch(end.message, /^cannot write: No space left on device/);
    assertMatch(end.fix, /^free some space, then run again to go on from step \d+$/);
    project.remove("small/ballast");
    const plan = (await project.cli(["plan", ...args, "--json"])).json;
    const train = plan.stages.find(({ id }: { id: string }) => id === "train");
    assertEquals([train.state, train.fromStep >= 2], ["resume", true]);
  },
});

Deno.test({
  ...onlyIf(
    MOUNTS,
    "only root can mount a small disk",
    "data that finds the disk full in the middle says so once, and goes on there when there is room",
  ),
  async fn() {
    const [COUNT, BYTES] = [240, 192 * 1024];
    // Written one by one, in their order: 45 MiB in all.
    const values = new Uint8Array(COUNT * BYTES);
    for (let i = 0; i < COUNT; i++) values.fill(i, i * BYTES, (i + 1) * BYTES);
    const pipeline = `name: demo
stages:
  data: { uses: dataset, with: { source: numpy, path: own.npy, saveEverySeconds: 0.01 } }
`;
    const files = { "p.yaml": pipeline, "own.npy": encodeNpy({ shape: [COUNT, 192, 1024], data: values }) };
    await using whole = new Project();
    await using project = new Project();
    for (const one of [whole, project]) for (const [name, content] of Object.entries(files)) one.write(name, content);
    await runAndCheckPlan(whole, ["p.yaml"]);
    // Room for what is written and two saved states, but with the ballast not even for the set itself, however fast it
    // is written and however often it is saved.
    await using _disk = await mountSmall(project, 256 * 1024);
    const args = ["p.yaml", ...STORE];
    project.write("small/ballast", new Uint8Array(216 * 1024 * KIBIBYTE));
    const full = await runAndCheckPlan(project, args, { code: 1 });
    const [end, ...others] = full.outcome.events.filter(({ state }) => state === "failed");
    assertEquals([end.id, others], ["data", []]);
    assertMatch(end.message, /^cannot write: No space left on device \(os error 28\).*small\/store\//);
    assertEquals(project.list("small/store/tmp"), []);
    const saved = full.outcome.events.findLast(({ type }) => type === "stage-saved").step;
    assert(saved > 0 && saved < COUNT, `saved ${saved}`);
    assertEquals(end.fix, `free some space, then run again to go on from step ${saved}`);

    // Other params and another content are other work, which begins at its start; when to save is neither.
    const stateOf = async (...more: string[]) => {
      const [{ state, fromStep }] = (await project.cli(["plan", ...args, ...more, "--json"])).json.stages;
      return [state, fromStep];
    };
    assertEquals(await stateOf("--set", "data.limit=200"), ["run", undefined]);
    assertEquals(await stateOf("--set", "data.normalize=moments"), ["run", undefined]);
    project.write("own.npy", encodeNpy({ shape: [COUNT, 192, 1024], data: values.with(-1, 7) }));
    assertEquals(await stateOf(), ["run", undefined]);
    project.write("own.npy", files["own.npy"]);
    assertEquals(await stateOf("--set", "data.saveEverySeconds=5"), ["resume", saved]);

    project.remove("small/ballast");
    const after = await runAndCheckPlan(project, args);
    const [{ state, fromStep }] = after.plan.stages;
    assertEquals([state, fromStep], ["resume", saved]);
    const done = after.outcome.events.find(({ type }) => type === "stage-progress").update.done;
    assert(done > saved, `began at ${done}, saved ${saved}`);
    assertEquals(await finalDigests(project, args), await finalDigests(whole, ["p.yaml"]));
  },
});
