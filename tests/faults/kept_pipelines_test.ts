import { assertEquals, assertNotEquals } from "@std/assert";
import { timeIn } from "../support/clock.ts";
import { Project } from "../support/project.ts";

/** Evaluated code is identified by its content only if its files were not changed in the two seconds before. */
const SETTLED_MS = 2_200;
const settle = () => new Promise((done) => setTimeout(done, SETTLED_MS));

const STAGE = `import { defineStage } from "noiseline";
import { z } from "zod";
import { text } from "./helper.ts";
export default defineStage({
  summary: "Write what the helper says",
  params: z.strictObject({}),
  inputs: {},
  outputs: { out: { type: "files", description: "a text" } },
  run: ({ outputs }) => outputs.out.write("value.txt", text),
});
`;

const PIPELINE = `import { definePipeline } from "noiseline";
import { id } from "./names.ts";
export default definePipeline({ name: "demo", stages: { [id]: { uses: "./stage.ts" } } });
`;

const isKept = (project: Project) => project.list(".noiseline/cache").filter((name) => name.startsWith("pipeline-"));

async function statesOf(project: Project, file: string): Promise<Record<string, string>> {
  const { json } = await project.cli(["plan", file, "--json"]);
  return Object.fromEntries(json.stages.map((stage: { id: string; state: string }) => [stage.id, stage.state]));
}

Deno.test("an edit is seen where the times of all files lie in the future, and stay the same", async () => {
  const YAML = "name: demo\nstages:\n  a: { uses: ./cook.ts, with: { text: first, data: ./data.txt } }\n";
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": YAML, "data.txt": "one" } });
  const future = new Date(timeIn({ days: 1_000 }));
  const names = ["p.yaml", "data.txt", "cook.ts", "deno.json"];
  const shown = async () => {
    for (const name of names) Deno.utimeSync(project.path(name), future, future);
    const { code, stderr } = await project.cli(["run", "p.yaml"]);
    assertEquals(code, 0, stderr);
    return project.read("outputs/demo/a/text.txt");
  };
  // Edits that keep the size of a file.
  const edits: [name: string, from: string, to: string][] = [
    ["data.txt", "one", "two"],
    ["p.yaml", "first", "other"],
    ["cook.ts", 'join("\\n")}', 'join("\\t")}'],
  ];
  let before = await shown();
  for (const [name, from, to] of edits) {
    await settle();
    const text = project.read(name);
    assertEquals(text.includes(from), true, `${name} has no ${from}`);
    project.write(name, text.replace(from, to));
    const now = await shown();
    assertNotEquals(now, before, `after the edit of ${name}`);
    before = now;
  }
});

Deno.test("an edit of a custom stage's helper, or of what a pipeline in TypeScript imports, is never overlooked", async () => {
  await using project = new Project({
    files: {
      "stage.ts": STAGE,
      "helper.ts": 'export const text = "one";\n',
      "p.ts": PIPELINE,
      "names.ts": 'export const id = "a";\n',
    },
  });
  await settle();
  assertEquals((await project.cli(["run", "p.ts"])).code, 0);
  assertEquals(isKept(project).length, 1);
  assertEquals(await statesOf(project, "p.ts"), { a: "cached" });

  project.write("helper.ts", 'export const text = "two";\n');
  assertEquals(await statesOf(project, "p.ts"), { a: "run" });
  project.write("helper.ts", 'export const text = "one";\n');
  assertEquals(await statesOf(project, "p.ts"), { a: "cached" });

  project.write("names.ts", 'export const id = "b";\n');
  assertEquals(await statesOf(project, "p.ts"), { b: "restore" });
  project.write("names.ts", 'export const id = "a";\n');

  // A helper that is first imported now had no influence before.
  project.write("more.ts", 'export const text = "three";\n');
  project.write("stage.ts", STAGE.replace("./helper.ts", "./more.ts"));
  await settle();
  assertEquals((await project.cli(["run", "p.ts"])).code, 0);
  assertEquals(await statesOf(project, "p.ts"), { a: "cached" });
  project.write("more.ts", 'export const text = "four";\n');
  assertEquals(await statesOf(project, "p.ts"), { a: "run" });
});
