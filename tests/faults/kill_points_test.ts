import { judge, standingOf } from "../support/faults/reference.ts";
import { makeScenario, SCENARIO_NAMES } from "../support/faults/scenarios.ts";
import { forEachOf, someOf, Tally } from "../support/faults/tally.ts";
import { hasProgram, skipTestsUnless } from "../support/proc.ts";

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
