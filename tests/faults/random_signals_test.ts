import { FaultProject } from "../support/faults/project.ts";
import { judge, makeReference, standingOf, type Verdict } from "../support/faults/reference.ts";
import { ALL, forEachOf, seededRandom, Tally } from "../support/faults/tally.ts";
import { childrenOf, isGoneWithin, killIfThere } from "../support/proc.ts";
import { durationOf } from "../support/clock.ts";

/** A walk that takes half a second and saves four times. */
const ARGS = ["--set", "walk.steps=8", "--set", "walk.pauseMs=60"];

const TRIES = ALL ? 60 : 6;
const STRIKES = ["SIGINT", "SIGTERM", "SIGKILL", "SIGKILL of the worker"] as const;

/** Returns the pids of a command's children; none if the command is gone. */
function workersOf(pid: number): number[] {
  try {
    return childrenOf(pid);
  } catch {
    return [];
  }
}

for (const strike of STRIKES) {
  Deno.test(`run ends with the same bytes when it got ${strike} once or more at random times`, async () => {
    await using whole = new FaultProject();
    let reference!: Awaited<ReturnType<typeof makeReference>>;
    const durationMs = await durationOf(async () => reference = await makeReference(whole, ARGS));
    const tally = new Tally(`${strike} at random times`, TRIES);
    const orphans = strike === "SIGKILL" ? new Tally("worker of a killed run, gone after it", TRIES) : undefined;
    // All random numbers are generated first, so that they do not depend on which try ends first.
    const random = seededRandom(STRIKES.indexOf(strike));
    const tries = Array.from({ length: TRIES }, (_, index) => {
      const count = 1 + Math.floor(random() * 3);
      return { index, delays: Array.from({ length: count }, () => random() * 1.1 * durationMs) };
    });
    await forEachOf(tries, async ({ index, delays }) => {
      await using project = new FaultProject();
      const verdict: Verdict = { lost: [], wrong: [] };
      for (const delayMs of delays) {
        await using running = project.launch(ARGS);
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        const workers = workersOf(running.pid);
        if (strike === "SIGKILL of the worker") {
          for (const pid of workers) killIfThere(pid);
        } else running.signal(strike);
        const { code, signal, stdout, stderr } = await running.outcome();
        const orphaned = { lost: [], wrong: [] as string[] };
        for (const pid of workers) if (!await isGoneWithin(pid)) orphaned.wrong.push(`worker ${pid} lives`);
        if (workers.length > 0) orphans?.add(`try ${index}`, orphaned);
        verdict.wrong.push(...orphaned.wrong);
        // Before the command listens for a signal, or after it has ended, the signal has its default effect.
        const ended = signal === null ? [0, 1, 130].includes(code) : signal === strike;
        const crashed = stderr.includes("internal error") || (code === 1 && strike !== "SIGKILL of the worker");
        if (!ended || crashed) verdict.wrong.push(`it ended with ${signal ?? code}: ${stdout}${stderr}`);
      }
      const before = standingOf(project);
      const { lost, wrong } = judge(project, await project.run(ARGS), before, reference);
      tally.add(`try ${index}`, { lost: [...verdict.lost, ...lost], wrong: [...verdict.wrong, ...wrong] });
    });
    tally.close();
    orphans?.close();
  });
}
