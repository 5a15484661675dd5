import { assertEquals } from "@std/assert";
import { endStates, runIn } from "../support/reach.ts";
import { makeTempFolder } from "../support/temp.ts";
import { holds } from "../support/tiny_run.ts";

const notesOf = ({ events }: Awaited<ReturnType<typeof runIn>>) =>
  events.flatMap((one) => one.type === "note" ? [one.message] : []);

const backwards = (ids: string[]) => void ids.reverse();

Deno.test("a longer stage waits for the shorter one and continues it, in whatever order they come", async () => {
  for (const shuffle of [() => {}, backwards]) {
    await using folder = await makeTempFolder();
    const yaml = `name: p
stages:
  w: { uses: walk, with: { steps: 9 } }
  x: { uses: mix, inputs: { from: [w, w@7, w@5] } }
`;
    const { events } = await runIn(folder.path, yaml, { jobs: 2, shuffle });
    const notes = events.flatMap((one) => one.type === "stage-note" ? [`${one.id} ${one.message}`] : []);
    assertEquals(notes, ["w@5 from 0", "w@7 from 5", "w from 7"]);
    assertEquals(events.filter(({ type }) => type === "stage-waiting"), []);
  }
});

Deno.test("no stage that waits for its slot starts after a failure without keep-going", async () => {
  for (const [keepGoing, ends] of [[false, "bad: failed, next: blocked"], [true, "bad: failed, next: ran"]] as const) {
    await using folder = await makeTempFolder();
    const gate = Promise.withResolvers<void>();
    holds.set("slot", gate.promise);
    const yaml = `name: p
stages:
  bad: { uses: source, with: { text: slot, fail: true } }
  next: { uses: source, with: { text: next } }
`;
    // The next one gets time to queue for the slot.
    const emit = ({ type }: { readonly type: string }) => type === "stage-started" && void setTimeout(gate.resolve, 50);
    const run = await runIn(folder.path, yaml, { jobs: 1, keepGoing, emit });
    assertEquals(endStates(run), ends);
    const said = "not started, although no failed stage is needed: next; -k (--keep-going) runs them";
    assertEquals(notesOf(run).filter((note) => note.includes("-k ")), keepGoing ? [] : [said]);
  }
});

Deno.test("a failure says nothing of keep-going where all other stages have run or need what failed", async () => {
  await using folder = await makeTempFolder();
  const yaml = `name: p
stages:
  first: { uses: source, with: { text: first } }
  bad: { uses: mix, inputs: { from: [first] }, with: { fail: true } }
  next: { uses: mix, inputs: { from: [bad, first] } }
`;
  const run = await runIn(folder.path, yaml, { jobs: 1 });
  assertEquals(notesOf(run).filter((note) => note.includes("-k ")), []);
});
