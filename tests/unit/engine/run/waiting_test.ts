import { assertEquals } from "@std/assert";
import { endStates, runIn } from "../support/reach.ts";
import { makeTempFolder } from "../support/temp.ts";
import { holds } from "../support/tiny_run.ts";

const YAML = `name: p
stages:
  a: { uses: source, with: { text: waiting } }
`;

/** Starts a run, and a second one once the first computes; the first goes on when the second waits for it. */
async function runTwice(folder: string, force: ReadonlySet<string>) {
  const computing = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  holds.set("waiting", gate.promise);
  const first = runIn(folder, YAML, { emit: ({ type }) => type === "stage-started" && computing.resolve() });
  await computing.promise;
  const second = runIn(folder, YAML, { force, emit: ({ type }) => type === "stage-waiting" && gate.resolve() });
  return await Promise.all([first, second]);
}

Deno.test("a run that waited for the lock of a stage uses the result that the other run has made", async () => {
  await using folder = await makeTempFolder();
  const [first, second] = await runTwice(folder.path, new Set());
  assertEquals([endStates(first), endStates(second)], ["a: ran", "a: cached"]);
  assertEquals(second.events.filter(({ type }) => type === "stage-started"), []);
});

Deno.test("a forced stage is computed even if another run made its result a moment ago", async () => {
  await using folder = await makeTempFolder();
  const [first, second] = await runTwice(folder.path, new Set(["a"]));
  assertEquals([endStates(first), endStates(second)], ["a: ran", "a: ran"]);
});
