import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Json } from "../../support/cli_process.ts";
import { OWN_SCIENCE, ownProject } from "../../support/own_science.ts";
import { digestsOf, type Project } from "../../support/project.ts";

async function plan(project: Project, ...more: string[]): Promise<Json> {
  return (await project.cli(["plan", "p.yaml", "--json", ...more])).json;
}

Deno.test("edits of definitions rerun what they change, and why names the files", async () => {
  await using project = ownProject();
  assertEquals((await project.cli(["run", "p.yaml"])).code, 0);
  const states = async () => {
    const { stages } = await plan(project);
    return Object.fromEntries(stages.map(({ id, state }: Json) => [id, state]));
  };
  const cached = { path: "cached", digits: "cached", train: "cached", sample: "cached", evaluate: "cached" };
  project.write("lib/one.ts", "export const one = 1 - 1e-12;\n");
  assertEquals(await states(), {
    ...{ path: "run", digits: "cached", train: "run", sample: "run", evaluate: "run" },
  });
  const why = (await project.cli(["why", "p.yaml", "path"])).stdout;
  assertStringIncludes(why, "because of code: the stage's modules changed\n    changed: lib/one.ts");
  project.write("euler.ts", project.read("euler.ts").replace("+ b *", "+ 0.5 * b *"));
  project.copy("tests/support/definitions/lib/one.ts", "lib/one.ts");
  assertEquals(await states(), { ...cached, sample: "run" });
  const sample = (await project.cli(["why", "p.yaml", "sample"])).stdout;
  assertStringIncludes(sample, "changed: euler.ts\n    from p.yaml:");
});

Deno.test("a killed training with a network of one's own goes on to the same bytes", async () => {
  await using project = ownProject(OWN_SCIENCE.replace("steps: 6", "steps: 120"));
  const native = ["--set", "vars.device=onnx"];
  const granted = ["--grant", "train:native", "--grant", "sample:native"];
  const refused = await project.cli(["run", "p.yaml", ...native, "--json"]);
  assertEquals(refused.code, 2);
  assertEquals(refused.json.diagnostics.map(({ code, got, message }: Json) => [code, got, message]), [
    [
      "not-granted",
      "native",
      "./net.ts, ./velocity.ts, ./flow.ts, ./euler.ts ask for rights that you have not granted",
    ],
  ]);
  const running = project.start(["run", "p.yaml", ...native, ...granted, "--json"]);
  await running.event(({ type, step }: Json) => type === "stage-saved" && step >= 5);
  running.signal("SIGKILL");
  await running.outcome();
  const { stages } = await plan(project, ...native);
  const train = stages.find(({ id }: Json) => id === "train");
  assertEquals([train.state, train.fromStep >= 4], ["resume", true]);
  // A grant is remembered, also after an edit.
  const ended = await project.cli(["run", "p.yaml", ...native]);
  assertEquals(ended.code, 0, ended.stdout + ended.stderr);
  const resumed = digestsOf(await plan(project, ...native));
  const again = await project.cli(["verify", "p.yaml", "--resume", "train", ...native]);
  assertStringIncludes(again.stdout, "the same bytes");
  assertEquals(again.code, 0, again.stdout + again.stderr);

  await using other = ownProject(project.read("p.yaml"));
  const alone = await other.cli(["run", "p.yaml", ...native, ...granted]);
  assertEquals(alone.code, 0, alone.stdout + alone.stderr);
  assertEquals(digestsOf(await plan(other, ...native)), resumed);

  // Results are data: another project can use them, and continue with its own copy of the code.
  assertEquals((await project.cli(["export", "p.yaml", ...native, "-o", project.path("results")])).code, 0);
  await using third = ownProject(project.read("p.yaml"));
  assertEquals((await third.cli(["import", project.path("results")])).code, 0);
  const more = await third.cli(["run", "p.yaml", ...native, ...granted, "--set", "sample.count=5", "--json"]);
  const finished = more.events.filter(({ type }: Json) => type === "stage-finished");
  assertEquals(finished.filter(({ state }: Json) => state === "ran").map(({ id }: Json) => id), ["sample"]);
  assertEquals((await third.cli(["gc", "p.yaml"])).code, 0);
  assertEquals((await third.cli(["verify", "p.yaml"])).code, 0);
});
