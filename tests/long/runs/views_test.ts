import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { assertNothingToDo, runAndCheckPlan } from "../../support/check_plan.ts";
import { Project } from "../../support/project.ts";

const PIPELINE = `name: demo
stages:
  a: { uses: ./cook.ts, with: { text: hello } }
  b: { uses: ./cook.ts, inputs: { from: [a] } }
`;

const TEXT = "outputs/demo/a/text.txt";

function edit(project: Project, name: string, text: string): void {
  Deno.chmodSync(project.path(name), 0o644);
  project.write(name, text);
}

Deno.test("run restores a view when files or the whole of it are deleted", async () => {
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": PIPELINE } });
  await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(Deno.statSync(project.path(TEXT)).mode! & 0o777, 0o444);

  project.remove(TEXT);
  const one = await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(one.ended, { a: "restored" });
  assertEquals(one.plan.stages[0].reasons, [{ code: "output-missing", files: ["text.txt"] }]);
  assertEquals(project.read(TEXT), "hello 1 0\n");

  project.remove("outputs");
  assertEquals((await runAndCheckPlan(project, ["p.yaml"])).ended, { a: "restored", b: "restored" });
  assertEquals(project.files("outputs"), [
    "demo/a/deep/er/count.txt",
    "demo/a/text.txt",
    "demo/b/deep/er/count.txt",
    "demo/b/text.txt",
    "demo/report.html",
  ]);
});

Deno.test("run moves changes aside and names the place when the user edited a view", async () => {
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": PIPELINE } });
  await runAndCheckPlan(project, ["p.yaml"]);
  edit(project, TEXT, "mine");
  project.write("outputs/demo/a/notes/own.txt", "also mine");

  const plan = await project.cli(["plan", "p.yaml"]);
  assertStringIncludes(plan.stdout, "output modified: text.txt");
  assertEquals(project.read(TEXT), "mine");
  const run = await project.cli(["run", "p.yaml"]);
  assertEquals(run.code, 0);
  assertStringIncludes(run.stderr, "outputs/demo/a.mine");
  assertEquals(project.read("outputs/demo/a.mine/text.txt"), "mine");
  assertEquals(project.read("outputs/demo/a.mine/notes/own.txt"), "also mine");
  assertEquals(project.read(TEXT), "hello 1 0\n");
  assertEquals(project.files("outputs/demo/a"), ["deep/er/count.txt", "text.txt"]);
  // The user's changes never reach another stage.
  assertEquals(project.read("outputs/demo/b/text.txt"), " 1 0\nhello 1 0\n\n");
  assertEquals(project.executions("b"), 1);

  edit(project, TEXT, "mine again");
  const again = await runAndCheckPlan(project, ["p.yaml", "--set", "a.text=bye"]);
  assertEquals(again.ended, { a: "ran", b: "ran" });
  assertEquals(project.read("outputs/demo/a.mine-2/text.txt"), "mine again");
  assertEquals(project.read("outputs/demo/a.mine/text.txt"), "mine");
  assertEquals(project.read(TEXT), "bye 1 0\n");
});

Deno.test("run leaves a view alone when its files were only touched", async () => {
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": PIPELINE } });
  await runAndCheckPlan(project, ["p.yaml"]);
  Deno.utimeSync(project.path(TEXT), 1, 1);
  await assertNothingToDo(project, ["p.yaml"]);
  assert(!project.exists("outputs/demo/a.mine"));
});

Deno.test("run keeps what is in the way when a folder of the user has the name of a stage", async () => {
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": PIPELINE } });
  project.write("outputs/demo/a/text.txt", "older than the pipeline");
  Deno.mkdirSync(project.path("outputs/demo/b"), { recursive: true });
  Deno.symlinkSync("/etc/hostname", project.path("outputs/demo/b/link"));
  await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(project.read("outputs/demo/a.mine/text.txt"), "older than the pipeline");
  assertEquals(Deno.readLinkSync(project.path("outputs/demo/b.mine/link")), "/etc/hostname");
});

Deno.test("run loses nothing behind a link when the link stands where a stage's folder should be", async () => {
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": PIPELINE, "mine/text.txt": "precious" } });
  await runAndCheckPlan(project, ["p.yaml"]);
  project.remove("outputs/demo/a");
  Deno.symlinkSync(project.path("mine"), project.path("outputs/demo/a"));
  await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(project.read("outputs/demo/a.mine/text.txt"), "precious");
  assertEquals(project.read("outputs/demo/a/text.txt"), "hello 1 0\n");
});
