import type { Outcome } from "../support/cli_process.ts";
import type { FaultCode } from "../support/faults/arm.ts";
import { judge, standingOf, type Verdict } from "../support/faults/reference.ts";
import { makeScenario, SCENARIO_NAMES } from "../support/faults/scenarios.ts";
import { forEachOf, someOf, Tally } from "../support/faults/tally.ts";
import { hasProgram, skipTestsUnless } from "../support/proc.ts";

const ignore = skipTestsUnless(hasProgram("setpriv"), "faults come into workers by setpriv, which is not here");

/** Points of each run that are tried, unless all are. */
const TRIED = 10;

const CODES: readonly FaultCode[] = ["ENOSPC", "EIO", "EMFILE"];
const SAYS: Readonly<Record<FaultCode, RegExp>> = {
  ENOSPC: /No space left on device/,
  EIO: /Input\/output error/,
  EMFILE: /Too many open files/,
};

/** Returns a command's failures with their fixes: those of stages, or those reported instead of running any. */
function failuresOf({ stdout, stderr }: Outcome): { readonly message: string; readonly fix?: string }[] {
  if (stdout.startsWith("{\n")) return JSON.parse(stdout).diagnostics;
  const events = stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  const stages = events.filter(({ type, state }) => type === "stage-finished" && state === "failed");
  if (stages.length > 0) return stages;
  const [message, fix] = stderr.trimEnd().split("\n  fix:");
  return [{ message: message!, ...(fix === undefined ? {} : { fix }) }];
}

/** Checks that a command that met the error either ended as well as without it, or failed with one clear message. */
function judgeFailure(outcome: Outcome, fault: FaultCode, wrong: string[]): void {
  const { code, signal, stdout, stderr } = outcome;
  if (code === 0) return;
  const said = `${signal ?? code}\n${stdout}${stderr}`;
  if (code !== 1) wrong.push(`it ended with ${said}`);
  if (/internal error|^\s+at /m.test(stdout.replaceAll("\\n", "\n") + stderr)) wrong.push(`it crashed: ${said}`);
  const failures = failuresOf(outcome);
  if (!failures.every(({ message }) => SAYS[fault].test(message))) wrong.push(`it did not say why: ${said}`);
  if (failures.some(({ fix }) => fix === undefined)) wrong.push(`it did not say what to do: ${said}`);
}

for (const name of SCENARIO_NAMES) {
  for (const lasting of [false, true]) {
    const how = lasting ? "one operation onwards, in" : "one operation of";
    Deno.test({
      name: `run fails with one message, or not at all, when ${
        lasting ? "every operation from one on" : "one operation"
      } of ${name} fails, and works later`,
      ignore,
      fn: async () => {
        await using scenario = await makeScenario(name);
        const { args, reference, points } = scenario;
        const tally = new Tally(`ENOSPC, EIO or EMFILE from ${how} ${name}`, points.length);
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
