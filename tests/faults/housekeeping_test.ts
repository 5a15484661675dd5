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

Deno.test("verify --resume walks on from an earlier state in a process of its own, and sees a walk that went astray", async () => {
  const file = "name: demo\nstages:\n  walk: { uses: ./walk.ts, with: { steps: 6, saveEvery: 2 } }\n";
  await using project = new Project({ stages: ["walk"], files: { "p.yaml": file } });
  assertEquals((await project.cli(["run", "p.yaml"])).code, 0);
  const before = await finalDigests(project, ["p.yaml"]);
  const same = await project.cli(["verify", "p.yaml", "walk", "--resume", "--json"]);
  assertEquals([same.code, same.json.fromStep, same.json.same], [0, 4, true], same.stdout + same.stderr);
  assertEquals(same.json.ports[0].recorded, before["walk"]!["out"]);
  // A state whose bytes are whole but wrong, as a stage with a hidden input would have saved it.
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
