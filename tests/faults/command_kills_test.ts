import { assertEquals } from "@std/assert";
import { askedGrants, NO_BOX, NO_PYTHON, runsIn, withoutBox } from "../support/commands.ts";
import { ALL, seededRandom, Tally } from "../support/faults/tally.ts";
import { childrenOf, isAlive, isGoneWithin, killIfThere } from "../support/proc.ts";
import { ranksOf } from "../../engine/process/process_tree.ts";
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
 * from one that was saved just then, and never from an older one. A rank that is asked to stop, because another one is
 * gone, saves at the step that it has done.
 */
function wrongIn(told: string): string[] {
  const wrong: string[] = [];
  let [saved, done] = [0, 0];
  for (const line of told.trim().split("\n")) {
    const [what, number] = line.split(" ");
    const step = Number(number);
    if (what === "from" && (step < saved || step > done || (step % EVERY !== 0 && step !== done))) {
      wrong.push(`from ${step}, when ${saved} was saved and ${done} done`);
    }
    if (what === "from") done = step;
    if (what === "step" && step !== done + 1) wrong.push(`step ${step} after ${done}`);
    if (what === "step") done = step;
    if (what === "saved") saved = step;
  }
  return wrong;
}

/** Returns the process that is killed, of those of a run; undefined if it is not there. */
type Victim = (run: number) => number | undefined;
const itself: Victim = (run) => run;
const rank = (number: number): Victim => (run) => ranksOf(run)[number];
const launcher: Victim = (run) => {
  const [first] = ranksOf(run);
  return first === undefined ? undefined : parentOf(first);
};

interface Killed {
  readonly name: string;
  readonly make: () => Project;
  readonly kills: number;
  /** Who are killed in turn. */
  readonly victims: readonly Victim[];
  readonly contained: boolean;
}

/** Two ranks meet in every step, and the first saves. */
const KILLED: readonly Killed[] = [
  { name: "a program", make: counting, kills: ALL ? 50 : 20, victims: [itself], contained: true },
  { name: "two ranks", make: ranks, kills: ALL ? 50 : 20, victims: [itself], contained: true },
  {
    ...{ name: "two ranks, of one of these or their launcher", make: ranks, kills: ALL ? 50 : 20 },
    ...{ victims: [launcher, rank(0), rank(1)], contained: true },
  },
  {
    ...{ name: "two ranks without a box, of the run, a rank or their launcher", make: ranks, kills: 9 },
    ...{ victims: [itself, launcher, rank(0), rank(1)], contained: false },
  },
];

/** Returns the parent of a process: `pid (name) state parent`, and a name may hold anything. */
function parentOf(pid: number): number | undefined {
  try {
    return Number(/\) \w (\d+)[^)]*$/.exec(Deno.readTextFileSync(`/proc/${pid}/stat`))?.[1]);
  } catch {
    return undefined;
  }
}

function ranks(): Project {
  return withLauncher(`${ADD_UP.replace("steps: 10", `steps: ${STEPS}`)}      params: { pause: 0.03, late: 0.5 }\n`);
}

for (const { name, make, kills: KILLS, victims, contained } of KILLED) {
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
          const victimOf = victims[kills % victims.length]!;
          // Every third kill of a run comes when the output is there and the result is not.
          if (victimOf === itself && kills % 3 === 2) {
            const isWritten = () => find(project, ".noiseline/tmp", "out/out/total.txt") !== undefined;
            while (!isWritten() && find(project, "outputs", "total.txt") === undefined && isAlive(running.pid)) {
              await new Promise((resolve) => setTimeout(resolve, 20));
            }
            await new Promise((resolve) => setTimeout(resolve, random() * 1_500));
          } else await new Promise((resolve) => setTimeout(resolve, (0.2 + random()) * durationMs));
          const workers = isAlive(running.pid) ? childrenOf(running.pid) : [];
          const victim = isAlive(running.pid) ? victimOf(running.pid) : undefined;
          if (victim !== undefined) killIfThere(victim);
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
