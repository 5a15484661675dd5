import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { endStates, planIn, planned, runIn } from "../support/reach.ts";
import { makeTempFolder } from "../support/temp.ts";

const yamlOf = (stopAt = 0, end = "interrupted") =>
  `name: p\nstages:\n  a: { uses: fold, with: { file: data.txt, steps: 5, stopAt: ${stopAt}, end: ${end} } }\n`;

async function makePlace() {
  const folder = await makeTempFolder();
  const { path } = folder;
  const write = (text: string) => Deno.writeTextFileSync(join(path, "data.txt"), text);
  write("one ");
  /** Runs with the file edited once the stage has begun, which then reads only the edited content. */
  const runEdited = async (yaml: string) => {
    const ended = await runIn(path, yaml, { emit: ({ type }) => type === "stage-started" && write("two ") });
    const notes = ended.events.filter((event) => event.type === "stage-note");
    write("one ");
    return { ended: endStates(ended), notes: notes.map(({ message }) => message), ...ended.stages.get("a") };
  };
  const value = () => Deno.readTextFileSync(join(path, "outputs/p/a/value.txt"));
  return { path, runEdited, value, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

const UNSAVED = "file changed after planning; what the stage has saved since is discarded";

for (
  const [how, stopAt, end, ended, message] of [
    ["ends", 0, "interrupted", "a: failed", "file changed after planning; its result is discarded"],
    ["is interrupted", 3, "interrupted", "a: interrupted", undefined],
    ["fails", 3, "failed", "a: failed", "told to fail"],
    ["throws", 3, "throw", "a: failed", undefined],
  ] as const
) {
  Deno.test(`what a stage that ${how} has saved since a file was edited is in no result after the edit is undone`, async () => {
    await using place = await makePlace();
    const edited = await place.runEdited(yamlOf(stopAt, end));
    assertEquals([edited.ended, edited.notes], [ended, [UNSAVED]]);
    if (message !== undefined) assertEquals(edited.message, message);
    assertEquals(planned(await planIn(place.path, yamlOf())), "a: run (new)");
    assertEquals(endStates(await runIn(place.path, yamlOf())), "a: ran");
    assertEquals(place.value(), "one ".repeat(5));
  });
}

Deno.test("states from before an edit stay, also when the stage reads them while the file is another", async () => {
  await using place = await makePlace();
  await runIn(place.path, yamlOf(2));
  assertEquals((await place.runEdited(yamlOf(3))).ended, "a: interrupted");
  assertEquals(planned(await planIn(place.path, yamlOf())), "a: resume from 2 (new)");
  await runIn(place.path, yamlOf());
  assertEquals(place.value(), "one ".repeat(5));
});

Deno.test("states stay when a file is gone at the end of a stage, since nothing else was read", async () => {
  await using place = await makePlace();
  const file = join(place.path, "data.txt");
  const ended = await runIn(place.path, yamlOf(), {
    emit: ({ type }) => type === "stage-saved" && Deno.removeSync(file),
  });
  assertEquals(endStates(ended), "a: failed");
  Deno.writeTextFileSync(file, "one ");
  assertEquals(planned(await planIn(place.path, yamlOf())), "a: resume from 1 (new)");
});
