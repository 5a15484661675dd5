import { assertEquals } from "@std/assert";
import { API_VERSION, toolkitImportMap } from "../../../engine/process/code_digest.ts";
import { comparePins, STAGE_API } from "../../../dev/kinds/pins.ts";
import { readKindFacts, readPins } from "../../../dev/pin_kinds.ts";

Deno.test("every built-in kind runs the code that is pinned for its version", async () => {
  const problems = comparePins(await readPins(), await readKindFacts());
  assertEquals(problems, [], `\n${problems.join("\n\n")}\n`);
});

Deno.test("what code from outside may use of the toolkit is four modules, which are pinned", async () => {
  const names = Object.entries(toolkitImportMap()).filter(([name]) => name.includes("noiseline"));
  const [api, engine, layers, tensor] = [
    "mod.ts",
    "package/engine.ts",
    "science/diffusion/layers.ts",
    "science/tensor/mod.ts",
  ].map((
    one,
  ) => new URL(`../../../${one}`, import.meta.url).href);
  const doors = ["noiseline", "@noiseline/noiseline"].flatMap((name) => [
    [name, api],
    [`${name}/data`, api],
    [`${name}/engine`, engine],
    [`${name}/layers`, layers],
    [`${name}/tensor`, tensor],
  ]);
  assertEquals(names, doors);
  assertEquals((await readKindFacts())[STAGE_API]?.version, API_VERSION);
});
