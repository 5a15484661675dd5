import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { TOOLKIT_FOLDERS } from "../../../../engine/process/own_frames.ts";
import { toolkitState } from "../../../../engine/process/toolkit.ts";
import { LAYERS } from "../../../../dev/layers/rules.ts";
import { makeTempFolder } from "../support/temp.ts";

Deno.test("the state of the toolkit is another once any of its code or its version is", async () => {
  await using folder = await makeTempFolder();
  const write = (name: string, text: string) => {
    Deno.mkdirSync(dirname(join(folder.path, name)), { recursive: true });
    Deno.writeTextFileSync(join(folder.path, name), text);
  };
  write("deno.json", '{ "version": "1" }');
  write("stages/train/kind.ts", "1");
  write("tests/any_test.ts", "1");
  const state = () => toolkitState([join(folder.path, "more.ts")], folder.path).digest;
  const seen = [state()];
  assertEquals(state(), seen[0]);
  write("tests/any_test.ts", "2 and more");
  assertEquals(state(), seen[0]);
  for (
    const [name, text] of [
      ["deno.json", '{ "version": "1.1" }'],
      ["stages/train/kind.ts", "22"],
      ["engine/new.ts", "1"],
      ["schemas/a/b/c.ts", "1"],
      ["deno.lock", "1"],
      ["more.ts", "1"],
    ]
  ) {
    write(name!, text!);
    seen.push(state());
  }
  Deno.removeSync(join(folder.path, "engine/new.ts"));
  seen.push(state());
  assertEquals(new Set(seen).size, seen.length);
});

Deno.test("a toolkit that changed since this process began is not settled", async () => {
  await using folder = await makeTempFolder();
  await Deno.writeTextFile(join(folder.path, "deno.json"), "{}");
  assert(!toolkitState([], folder.path).settled);
  assertNotEquals(toolkitState([], folder.path).digest, toolkitState().digest);
});

Deno.test("the toolkit has every folder whose code the engine and the stages may run", () => {
  const folders = [LAYERS["engine"]!, LAYERS["stages"]!, LAYERS["science/metrics"]!].flatMap(({ imports }) => imports)
    .map((name) => name.split("/")[0]!);
  const missing = folders.filter((name) => !name.includes(".") && !TOOLKIT_FOLDERS.includes(name));
  assertEquals(missing, []);
});
