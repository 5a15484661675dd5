import { assertEquals } from "@std/assert";
import { askedGrants, NO_BOX, NO_PYTHON, runsIn, withoutBox } from "../support/commands.ts";
import { ALL, seededRandom, Tally } from "../support/faults/tally.ts";
import { childrenOf, isAlive, isGoneWithin } from "../support/proc.ts";
import { Project } from "../support/project.ts";
import { ADD_UP, withLauncher } from "../support/ranks.ts";
import { durationOf } from "../support/clock.ts";

const STEPS = 32;
const EVERY = 5;
/** Adding up takes a second, and the program stays for half a second when its output is there. */
const PIPELINE = `name: demo
stages:
  count:
    uses: command
    with:
      run: [python3, count.py]
      sources: [count.py, mix.py]
      steps: ${STEPS}
      params: { pause: 0.03, late: 0.5 }
      outputs: { out: files }
      resumes: true
`;

function counting(): Project {
  const project = new Project({ files: { "p.yaml": PIPELINE } });
  for (const name of ["count.py", "mix.py"]) project.copy(`tests/support/stages/${name}`, name);
  return project;
}

/** Returns where a file whose name ends so lies below a folder. */
const find = (project: Project, folder: string, end: string) =>
  project.files(folder).filter((name) => name.endsWith(end)).map((name) => `${folder}/${name}`)[0];

/**
 * Checks what the program wrote about itself: every time it went on from the newest state whose save had returned, or
 * from one that was saved just then, and never from an older one.
 */
function wrongIn(told: string): string[] {
  const wrong: string[] = [];
  let [saved, done] = [0, 0];
  for (const line of told.trim().split("\n")) {
    const [what, number] = line.split(" ");
    const step = Number(number);
    if (what === "from" && (step < saved || step > done || step % EVERY !== 0)) {
      wrong.push(`from ${step}, when ${saved} was saved and ${done} done`);
    }
    if (what === "from") done = step;
    if (what === "step" && step !== done + 1) wrong.push(`step ${step} after ${done}`);
    if (what === "step") done = step;
    if (what === "saved") saved = step;
  }
  return wrong;
}

/** Programs that are killed, each with the number of kills. Two ranks meet in every step, and the first saves. */
const KILLED: readonly (readonly [name: string, make: () => Project, kills: number, contained: boolean])[] = [
  ["a program", counting, ALL ? 50 : 20, true],
  ["two ranks", ranks, ALL ? 50 : 20, true],
  ["two ranks without a box", ranks, 6, false],
];

function ranks(): Project {
  return withLauncher(`${ADD_UP.replace("steps: 10", `steps: ${STEPS}`)}      params: { pause: 0.03, late: 0.5 }\n`);
}

for (const [name, make, KILLS, contained] of KILLED) {
  const why = NO_PYTHON ?? (contained ? NO_BOX : undefined);
  Deno.test({
    name: `SIGKILL at any time, also between output and commit, costs ${name} no more than what was not saved${
      why === undefined ? "" : ` (skipped: ${why})`
    }`,
    ignore: why !== undefined,
    fn: async () => {
      await using whole = make();
      const argsFor = async (project: Project) => ["run", "p.yaml", "--json", ...await askedGrants(project, "p.yaml")];
      const first = await argsFor(whole);
      const durationMs = await durationOf(async () => assertEquals((await whole.cli(first)).code, 0));
      const bytesIn = (project: Project) => {
        const paths = ["total.txt", "log/log.jsonl"].map((name) => `outputs/demo/count/${name}`);
        return paths.map((path) => project.exists(path) ? project.read(path) : `no ${path}`).join();
      };
      const expected = bytesIn(whole);
      assertEquals(whole.read("outputs/demo/count/log/log.jsonl").split("\n").length, STEPS + 1);

      const tally = new Tally(`SIGKILL of a run with ${name}`, KILLS);
      const random = seededRandom(31);
      for (let kills = 0; kills < KILLS;) {
        await using project = make();
        const env = contained ? {} : withoutBox(project);
        const args = await argsFor(project);
        for (let tries = 0;; tries++) {
          await using running = project.start(args, { env });
          // Every third run is killed when the output is there and the result is not.
          if (kills % 3 === 2) {
            const isWritten = () => find(project, ".noiseline/tmp", "out/out/total.txt") !== undefined;
            while (!isWritten() && find(project, "outputs", "total.txt") === undefined && isAlive(running.pid)) {
              await new Promise((resolve) => setTimeout(resolve, 20));
            }
            await new Promise((resolve) => setTimeout(resolve, random() * 1_500));
          } else await new Promise((resolve) => setTimeout(resolve, (0.2 + random()) * durationMs));
          const workers = isAlive(running.pid) ? childrenOf(running.pid) : [];
          running.signal("SIGKILL");
          const { code } = await running.outcome();
          if (code === 0 || tries > 20) break;
          kills++;
          const wrong: string[] = [];
          for (const pid of workers) if (!await isGoneWithin(pid)) wrong.push(`process ${pid} lives`);
          tally.add(`kill ${kills}`, { lost: [], wrong });
          if (kills >= KILLS) break;
        }
        const { code, stderr } = await project.cli(args, { env });
        const file = find(project, ".noiseline/progress", "/told.txt");
        const wrong = file === undefined ? [`nothing was told: ${stderr}`] : wrongIn(project.read(file));
        if (code !== 0 || runsIn(project)) wrong.push(`it ended with ${code}`);
        if (bytesIn(project) !== expected) wrong.push("other bytes");
        tally.add(`after ${kills} kills`, { lost: [], wrong });
      }
      tally.close();
    },
  });
}
