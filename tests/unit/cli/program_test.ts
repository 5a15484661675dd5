import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { asTyped, programIn, TOOLKIT } from "../../../cli/program.ts";
import { changeFolder, testsAlone } from "../../support/own_process.ts";
import { makeTempFolder } from "../engine/support/temp.ts";

Deno.test("commands are named as they can be typed: in the clone, beside a task of one's own, and anywhere", async () => {
  await using folder = await makeTempFolder();
  assertEquals(programIn(join(TOOLKIT, "pipelines")), ["deno", "task"]);
  const program = ["deno", "run", "-A", join(TOOLKIT, "cli/main.ts")];
  assertEquals(programIn(folder.path), program);
  for (const text of ["{}", "no JSON", '{ "tasks": { "run": "deno run x.ts" } }']) {
    Deno.writeTextFileSync(join(folder.path, "deno.json"), text);
    assertEquals(programIn(folder.path), program);
  }
  Deno.writeTextFileSync(join(folder.path, "deno.json"), '{ "tasks": { "noiseline": "deno run -A ../cli/main.ts" } }');
  assertEquals(programIn(join(folder.path, "below")), ["deno", "task", "noiseline"]);
});

testsAlone(import.meta.url)(
  "a text names commands for the current folder, and nothing else of it changes",
  async () => {
    await using folder = await makeTempFolder();
    const text = "see `deno task doctor`, deno task setup:tensorflow --gpu; deno task noiseline plan; a deno task";
    const program = `deno run -A ${TOOLKIT}cli/main.ts`;
    changeFolder(TOOLKIT);
    assertEquals(asTyped(text), text);
    changeFolder(folder.path);
    assertEquals(
      asTyped(text),
      `see \`${program} doctor\`, ${program} setup tensorflow --gpu; deno task noiseline plan; a deno task`,
    );
  },
);
