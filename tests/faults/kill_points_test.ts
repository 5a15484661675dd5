import { assert, assertEquals } from "@std/assert";
import type { Recorded } from "../support/faults/arm.ts";
import { judge, standingOf } from "../support/faults/reference.ts";
import { makeScenario, SCENARIO_NAMES } from "../support/faults/scenarios.ts";
import { forEachOf, someOf, Tally } from "../support/faults/tally.ts";
import { hasProgram, skipTestsUnless } from "../support/proc.ts";
import { Project } from "../support/project.ts";

const ignore = skipTestsUnless(hasProgram("setpriv"), "faults come into workers by setpriv, which is not here");

/** Points of each run that are tried, unless all are. */
const TRIED = 16;

for (const name of SCENARIO_NAMES) {
  Deno.test({
    name: `run ends with the same bytes when ${name} was killed at any of its operations on the store`,
    ignore,
    fn: async () => {
      await using scenario = await makeScenario(name);
      const { args, reference, points } = scenario;
      const tally = new Tally(`SIGKILL at an operation of ${name}`, points.length);
      await forEachOf(someOf(points, TRIED, 1), async ({ process, at }) => {
        await using project = scenario.begin();
        const killed = await project.run(args, { [process]: { act: "kill", at } });
        const before = standingOf(project);
        const verdict = judge(project, await project.run(args), before, reference);
        const died = process === "run" ? killed.signal === "SIGKILL" : killed.code === 1;
        if (!died) verdict.wrong.push(`it was not killed: ${killed.code} ${killed.stdout}${killed.stderr}`);
        tally.add(`${process} ${at}`, verdict);
      });
      tally.close();
    },
  });
}

Deno.test("processes that record their operations at the same time leave whole lines", async () => {
  await using project = new Project();
  const log = project.path("record.jsonl");
  const arm = JSON.stringify(import.meta.resolve("../support/faults/arm.ts"));
  project.write(
    "recorder.ts",
    `import { arm } from ${arm};
arm({ act: "record", log: Deno.args[0] });
for (let i = 0; i < 4_000; i++) Deno.mkdirSync(Deno.args[1], { recursive: true });
`,
  );
  const recorders = ["a", "b", "c"].map((name) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", project.path("recorder.ts"), log, project.path(name)],
    }).output()
  );
  for (const { success, stderr } of await Promise.all(recorders)) assert(success, new TextDecoder().decode(stderr));
  const lines: Recorded[] = project.read("record.jsonl").trim().split("\n").map((line) => JSON.parse(line));
  for (const name of ["a", "b", "c"]) {
    assertEquals(lines.filter(({ path }) => path === project.path(name)).length, 4_000);
  }
});
