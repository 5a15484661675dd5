import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { openStore } from "../../../../engine/store/store.ts";
import { endStates, runIn } from "../support/reach.ts";
import { makeTempFolder } from "../support/temp.ts";
import { holds } from "../support/tiny_run.ts";

const ids = ["a", "b", "c", "d"];
const YAML = `name: p
stages:
${ids.map((id) => `  ${id}: { uses: source, with: { text: stopped ${id} } }`).join("\n")}
`;

Deno.test("stages that wait for their turn when a run is stopped are blocked: they have not begun", async () => {
  await using folder = await makeTempFolder();
  const stop = new AbortController();
  const gate = Promise.withResolvers<void>();
  for (const id of ids) holds.set(`stopped ${id}`, gate.promise);
  const stopped = await runIn(folder.path, YAML, {
    jobs: 1,
    stop: stop.signal,
    emit: ({ type }) => {
      if (type !== "stage-started") return;
      stop.abort();
      gate.resolve();
    },
  });
  const started = stopped.events.filter(({ type }) => type === "stage-started").length;
  assertEquals([started, stopped.status], [1, "interrupted"]);
  const { ran, interrupted, blocked } = stopped.counts;
  assertEquals({ ran, interrupted, blocked }, { ran: 1, interrupted: 0, blocked: 3 });
  // The command `runs` shows what is on record.
  const { runs } = openStore(join(folder.path, ".noiseline"));
  const states = Object.values(runs.read(stopped.runId!)!.stages).map(({ state }) => state);
  assertEquals(states.sort(), ["blocked", "blocked", "blocked", "ran"]);

  const after = await runIn(folder.path, YAML);
  assertEquals([after.status, after.counts.ran, after.counts.cached], ["done", 3, 1], endStates(after));
});
