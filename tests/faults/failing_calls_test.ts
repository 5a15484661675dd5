import type { Outcome } from "../support/cli_process.ts";
import type { FaultCode } from "../support/faults/arm.ts";
import { judge, standingOf, type Verdict } from "../support/faults/reference.ts";
import { makeScenario, SCENARIO_NAMES } from "../support/faults/scenarios.ts";
import { forEachOf, someOf, Tally } from "../support/faults/tally.ts";
import { hasProgram, skipUnless } from "../support/proc.ts";

const ignore = skipUnless(hasProgram("setpriv"), "faults come into workers by setpriv, which is not here");

/** Points of each run that are tried where not all are. */
const TRIED = 16;

const CODES: readonly FaultCode[] = ["ENOSPC", "EIO", "EMFILE"];
const SAYS: Readonly<Record<FaultCode, RegExp>> = {
  ENOSPC: /No space left on device/,
  EIO: /Input\/output error/,
  EMFILE: /Too many open files/,
};

/** A command that met the error must have ended as well as without it, or have failed with one clear message. */
function judgeFailure({ code, signal, stdout, stderr, events }: Outcome, fault: FaultCode, wrong: string[]): void {
  const said = `${signal ?? code}\n${stdout}${stderr}`;
  if (code === 0) return;
  if (code !== 1) wrong.push(`it ended with ${said}`);
  else if (/internal error|^\s+at /m.test(stdout.replaceAll("\\n", "\n") + stderr)) wrong.push(`it crashed: ${said}`);
  else {
    const failures = events.filter(({ type, state }) => type === "stage-finished" && state === "failed");
    const messages = failures.length > 0 ? failures.map(({ message }) => message) : [stderr];
    if (!messages.every((message) => SAYS[fault].test(message))) wrong.push(`it did not say why: ${said}`);
    if (failures.length === 0 && !/fix:/.test(stderr)) wrong.push(`it did not say what to do: ${said}`);
    if (failures.some(({ fix }) => fix === undefined)) wrong.push(`it did not say what to do: ${said}`);
  }
}

for (const name of SCENARIO_NAMES) {
  for (const lasting of [false, true]) {
    const how = lasting ? "every operation from one on" : "one operation";
    Deno.test({
      name: `run fails with one message, or not at all, when ${how} of ${name} fails, and works later`,
      ignore,
      fn: async () => {
        await using scenario = await makeScenario(name);
        const { args, reference, points } = scenario;
        const tally = new Tally(`ENOSPC, EIO or EMFILE from ${how} of ${name}`, points.length);
        const cases = points.map((point, index) => ({ ...point, code: CODES[index % CODES.length]! }));
        await forEachOf(someOf(cases, TRIED, 2), async ({ process, at, code }) => {
          await using project = scenario.begin();
          const failed = await project.run(args, { [process]: { act: "fail", at, code, lasting } });
          const before = standingOf(project);
          const verdict: Verdict = judge(project, await project.run(args), before, reference);
          judgeFailure(failed, code, verdict.wrong);
          tally.add(`${code} at ${process} ${at}`, verdict);
        });
        tally.close();
      },
    });
  }
}
