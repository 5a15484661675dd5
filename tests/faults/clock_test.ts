import { FaultProject } from "../support/faults/project.ts";
import { runHere } from "../support/faults/here.ts";
import type { Verdict } from "../support/faults/reference.ts";
import { ALL, seededRandom, Tally } from "../support/faults/tally.ts";

const PIPELINE = `name: faults
stages:
  first: { uses: join, with: { text: first, file: data.txt } }
`;

const TRIES = ALL ? 400 : 100;

const realNow = Date.now;

/** Makes the engine's clock wrong by an offset. File systems keep their own clock. */
function setClock(offsetMs: number): Disposable {
  Date.now = () => realNow() + offsetMs;
  return { [Symbol.dispose]: () => Date.now = realNow };
}

const HOUR_MS = 3_600_000;
const OFFSETS_MS: Readonly<Record<string, number>> = {
  "a right clock": 0,
  "a clock set back by an hour": -HOUR_MS,
  "a clock set back by ten years": -10 * 365 * 24 * HOUR_MS,
};

for (const [clock, offsetMs] of Object.entries(OFFSETS_MS)) {
  Deno.test(`run sees every edit of a file from outside, at once and with its times set back, with ${clock}`, async () => {
    await using project = new FaultProject({ "faults.yaml": PIPELINE }, "memory");
    using _clock = setClock(offsetMs);
    const random = seededRandom(8);
    const path = project.path("data.txt");
    // The file is left alone for more than two seconds, so that its digest is remembered.
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    await runHere(project);
    const first = Deno.statSync(path);
    const tally = new Tally(`edit of a file from outside, ${clock}`, TRIES);
    for (let n = 0; n < TRIES; n++) {
      // Always five bytes; sometimes written through a new file of the same name, as editors do.
      const text = `${String(Math.floor(random() * 10_000)).padStart(4, "0")}\n`;
      if (random() < 0.3) {
        Deno.writeTextFileSync(`${path}.new`, text);
        Deno.renameSync(`${path}.new`, path);
      } else Deno.writeTextFileSync(path, text);
      if (random() < 0.7) Deno.utimeSync(path, first.atime!, first.mtime!);
      const verdict: Verdict = { lost: [], wrong: [] };
      await runHere(project);
      const shown = project.read("outputs/faults/first/text.txt");
      if (shown !== `first\n${text}\n`) verdict.wrong.push(`it shows ${shown} where the file holds ${text}`);
      // A run without an edit does nothing, whatever the clock says.
      const { ended } = await runHere(project);
      if (ended["first"] !== "cached") verdict.lost.push(`it was ${ended["first"]} again`);
      tally.add(`edit ${n}`, verdict);
    }
    tally.close();
  });
}

Deno.test("run sees an output that was edited and had its time set back, and keeps the edit", async () => {
  await using project = new FaultProject({ "faults.yaml": PIPELINE }, "memory");
  await runHere(project);
  const path = project.path("outputs/faults/first/text.txt");
  const whole = project.read("outputs/faults/first/text.txt");
  const edits = ALL ? 20 : 4;
  const tally = new Tally("edit of an output, its time set back", edits);
  for (let n = 0; n < edits; n++) {
    // Deno reports the time of a file's last change, which cannot be set back, in whole seconds.
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    const { atime, mtime } = Deno.statSync(path);
    const mine = whole.replace("first", `fir${String(n).padStart(2, "0")}`);
    Deno.chmodSync(path, 0o644);
    Deno.writeTextFileSync(path, mine);
    Deno.utimeSync(path, atime!, mtime!);
    const { ended } = await runHere(project);
    const verdict: Verdict = { lost: [], wrong: [] };
    if (ended["first"] !== "restored") verdict.wrong.push(`it was ${ended["first"]}`);
    if (project.read("outputs/faults/first/text.txt") !== whole) verdict.wrong.push("the output is not restored");
    const kept = project.list("outputs/faults").some((name) =>
      name.startsWith("first.mine") && project.read(`outputs/faults/${name}/text.txt`) === mine
    );
    if (!kept) verdict.lost.push("the edit is gone");
    tally.add(`edit ${n}`, verdict);
  }
  tally.close();
});
