import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { endStates } from "../../unit/engine/support/reach.ts";
import { Lab } from "../../unit/engine/support/shared.ts";

const IDS = ["a", "b"];
const walks = (steps: number) =>
  `name: p\nstages:\n${
    IDS.map((id) => `  ${id}: { uses: ./stroll.ts, with: { steps: ${steps}, pauseMs: 300, text: ${id} } }\n`).join("")
  }`;

Deno.test("machines that share a cache compute long stages once between them, and share them out", async () => {
  await using lab = await Lab.open();
  // The measured times are changed to hours, so that the same stages with more steps count as long.
  for (const name of ["teacher", "one", "two"]) {
    Deno.copyFileSync(new URL("../../support/stages/stroll.ts", import.meta.url), join(lab.machine(name), "stroll.ts"));
  }
  await lab.run("teacher", walks(4));
  const timings = (name: string) => join(lab.machine(name), ".noiseline", "timings.jsonl");
  const lines = Deno.readTextFileSync(timings("teacher")).trim().split("\n").map((line) => JSON.parse(line));
  const slow = lines.map((line) => `${JSON.stringify({ ...line, durationMs: 7_200_000 })}\n`).join("");
  const names = ["one", "two"];
  for (const name of names) {
    Deno.mkdirSync(join(timings(name), ".."), { recursive: true });
    Deno.writeTextFileSync(timings(name), slow);
  }
  const runs = await Promise.all(names.map((name) => lab.run(name, walks(6), { jobs: 1, patience: { lookMs: 20 } })));
  const ends = IDS.map((id) => runs.map(({ stages }) => stages.get(id)!.state).sort().join());
  assertEquals(ends, IDS.map(() => "ran,restored"), runs.map((run) => endStates(run)).join("\n"));
  assert(runs.some(({ events }) => events.some(({ type }) => type === "stage-waiting")));
});

Deno.test("six clones on one cache compute each of eight stages once, although nobody knows how long they take", async () => {
  await using lab = await Lab.open();
  const ids = [..."abcdefgh"];
  const yaml = `name: p\nstages:\n${
    ids.map((id) => `  ${id}: { uses: ./stroll.ts, with: { steps: 2, pauseMs: 50, text: ${id} } }\n`).join("")
  }`;
  const clones = Array.from({ length: 6 }, (_, i) => `clone${i}`);
  for (const name of clones) {
    Deno.copyFileSync(new URL("../../support/stages/stroll.ts", import.meta.url), join(lab.machine(name), "stroll.ts"));
  }
  // A claim that is held is renewed every two looks. On a busy machine that may be late, but not by nine looks.
  const runs = await Promise.all(clones.map((name) => lab.run(name, yaml, { patience: { lookMs: 1_000 } })));
  const ends = ids.map((id) => runs.map(({ stages }) => stages.get(id)!.state).sort().join());
  assertEquals(ends, ids.map(() => "ran,restored,restored,restored,restored,restored"));
});
