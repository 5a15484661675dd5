import { assertEquals } from "@std/assert";
import type { Resources } from "../../../../schemas/pipeline_file.ts";
import { slotsOf } from "../../../../engine/plan/wanted_slots.ts";
import { loadGood } from "../support/load.ts";
import { makeTempFolder } from "../support/temp.ts";

Deno.test("a program takes all processors unless it says how many, and none of them beside a card", async () => {
  await using folder = await makeTempFolder();
  const { stages } = await loadGood(folder.path, "name: p\nstages:\n  a: { uses: source }\n");
  const [stage] = stages.values();
  const program = { ...stage!.kind, command: { file: "/p.yaml", uses: "p.yaml" } };
  const slots = (resources: Resources) => slotsOf({ do: "compute", stage: { ...stage!, kind: program, resources } });
  assertEquals(slots({}), { threads: Infinity });
  assertEquals(slots({ cpu: 2 }), { cpu: 2, threads: 2 });
  assertEquals(slots({ cpu: 2, gpu: 1 }), { cpu: 2, gpu: 1 });
});
