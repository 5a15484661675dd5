import { assert, assertEquals, assertMatch } from "@std/assert";
import { ALL, seededRandom, Tally } from "../support/faults/tally.ts";
import { Project } from "../support/project.ts";

const STEPS = 300;
const KILLS = ALL ? 100 : 20;

/** A stage that says how it goes and saves at each step, so that many kills come just after a state is there. */
const WALK = `import { defineStage } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "Walks, and says how",
  params: z.strictObject({ steps: z.int() }),
  inputs: {},
  outputs: { out: { type: "files", description: "The place at the end" } },
  async run({ params: { steps }, progress, outputs, report, stop }) {
    const state = await progress.latest();
    let [step, place] = state === undefined ? [0, 1] : [state.step, Number(new TextDecoder().decode(await state.read("place")))];
    while (step < steps) {
      step++;
      place = place * 48_271 % 2_147_483_647;
      report({ done: step, total: steps, unit: "step", figures: { place, sign: place % 3 === 0 ? NaN : -place } });
      await progress.save(step, { place: new TextEncoder().encode(String(place)) });
      if (stop.aborted) return { status: "interrupted", step };
    }
    await outputs.out.write("place.txt", String(place));
    return undefined;
  },
});
`;

const PIPELINE = `name: demo
stages:
  walk: { uses: ./walk.ts, with: { steps: ${STEPS} } }
`;

Deno.test("SIGKILL of a run or of its worker just after a state is there changes no byte of a curve", async () => {
  const files = { "p.yaml": PIPELINE, "walk.ts": WALK };
  const bytesIn = (project: Project) =>
    ["place.txt", "log/log.jsonl"].map((name) => project.read(`outputs/demo/walk/${name}`)).join();
  await using whole = new Project({ files });
  const args = ["run", "p.yaml", "--json"];
  assertEquals((await whole.cli(args)).code, 0);
  const expected = bytesIn(whole);
  assertEquals(whole.read("outputs/demo/walk/log/log.jsonl").split("\n").length, STEPS + 1);

  const tally = new Tally("SIGKILL of a run with a stage that reports", KILLS);
  const random = seededRandom(7);
  for (let kills = 0; kills < KILLS;) {
    await using project = new Project({ files });
    for (let to = 0; kills < KILLS;) {
      await using running = project.start(args);
      const outcome = running.outcome();
      let isOver = false;
      outcome.then(() => isOver = true);
      to += 1 + Math.floor(random() * 40);
      const isThere = () =>
        project.files(".noiseline/progress").some((name) => Number(/step-(\d+)\/manifest/.exec(name)?.[1]) >= to);
      while (!isOver && !isThere()) await new Promise((resolve) => setTimeout(resolve));
      running.signal("SIGKILL");
      if ((await outcome).signal !== "SIGKILL") break;
      tally.add(`kill ${++kills} at step ${to}`, { lost: [], wrong: [] });
    }
    const { code } = await project.cli(args);
    const wrong = [
      ...code === 0 ? [] : [`it ended with ${code}`],
      ...bytesIn(project) === expected ? [] : ["other bytes"],
    ];
    tally.add(`after ${kills} kills`, { lost: [], wrong });
  }
  tally.close();
});

Deno.test("a curve that cannot be written fails its stage, which says so, and no other", async () => {
  const other = "  idle: { uses: ./walk.ts, with: { steps: 2 } }\n";
  await using project = new Project({ files: { "p.yaml": PIPELINE + other, "walk.ts": WALK } });
  const args = ["run", "p.yaml", "--json", "--keep-going"];
  assertEquals((await project.cli(args)).code, 0);
  const curve = project.files(".noiseline/progress").find((name) => name.endsWith(`.curve/${STEPS}.jsonl`))!;
  const folder = `.noiseline/progress/${curve.slice(0, curve.lastIndexOf("/"))}`;
  for (const name of [folder, folder.slice(0, -".curve".length), ".noiseline/results"]) project.remove(name);
  project.write(folder, "in its place");
  await using running = project.start(args);
  const { code, events } = await running.outcome();
  assertEquals(code, 1);
  const said = events.flatMap(({ id, state, message }) => state === "failed" ? [`${id}: ${message}`] : []);
  assertEquals(said.length, 1, said.join("\n"));
  assertMatch(said[0]!, /^walk: cannot write to the store: Cannot write below .*\.curve/);
  assert(events.some(({ id, state }) => id === "idle" && state === "ran"));
});
