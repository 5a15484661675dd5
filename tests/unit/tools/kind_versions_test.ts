import { assertEquals } from "@std/assert";
import { API_VERSION } from "../../../engine/process/code_digest.ts";
import { toolkitNames } from "../../../engine/process/module_map.ts";
import { comparePins, STAGE_API } from "../../../tools/kinds/pins.ts";
import { readKindFacts, readPins } from "../../../tools/pin_kinds.ts";

Deno.test("every built-in kind runs the code that is pinned for its version", async () => {
  const problems = comparePins(await readPins(), await readKindFacts());
  assertEquals(problems, [], `\n${problems.join("\n\n")}\n`);
});

Deno.test("what a running stage may use of the toolkit is one module, which is pinned, and all of it is in mod.ts too", async () => {
  const names = Object.entries(toolkitNames(true)).filter(([name]) => name.startsWith("noiseline"));
  const api = new URL("../../../stage_api.ts", import.meta.url).href;
  assertEquals(names, [["noiseline", api], ["noiseline/data", api]]);
  const facts = await readKindFacts();
  assertEquals(facts[STAGE_API]?.version, API_VERSION);
  const all = new Set(Object.keys(await import("../../../mod.ts")));
  assertEquals(Object.keys(await import("../../../stage_api.ts")).filter((name) => !all.has(name)), []);
});
