import { assertEquals } from "@std/assert";
import { seededRandom, Tally } from "../support/faults/tally.ts";
import { digestsOf, Project } from "../support/project.ts";
import { WALKS } from "../support/search.ts";

const [KILLS, SEED] = [20, 36];

const open = () => new Project({ stages: ["walk", "measure"], files: { "p.yaml": WALKS } });
const stagesOf = async (project: Project) => digestsOf((await project.cli(["plan", "p.yaml", "--json"])).json);

Deno.test(`a search that is killed ${KILLS} times finds the same winner, and all of its results have the same bytes`, async () => {
  await using whole = open();
  const alone = await whole.cli(["run", "p.yaml", "--jobs", "1", "--json"]);
  assertEquals(alone.code, 0, alone.stdout + alone.stderr);
  const expected = await stagesOf(whole);
  await using project = open();
  const random = seededRandom(SEED);
  const tally = new Tally(`SIGKILL of a search, seed ${SEED}`, KILLS);
  let left = KILLS;
  for (let isDone = false; !isDone;) {
    await using running = project.start(["run", "p.yaml", "--jobs", "4", "--json"]);
    let events = 1 + Math.floor(8 * random());
    const counts = ["stage-started", "stage-saved", "stage-finished"];
    const kill = running.event(({ type }) => counts.includes(type) && left > 0 && --events === 0)
      .then(() => running.signal("SIGKILL"), () => {});
    const { code, signal, stdout, stderr } = await running.outcome();
    await kill;
    isDone = code === 0;
    if (signal === "SIGKILL") left--;
    const crashed = !isDone && signal !== "SIGKILL" ? [`it ended with ${signal ?? code}: ${stdout}${stderr}`] : [];
    tally.add(`kill ${KILLS - left}`, { lost: [], wrong: crashed });
    if (crashed.length > 0) break;
  }
  assertEquals(left, 0);
  assertEquals(await stagesOf(project), expected);
  const winner = (own: Project) => own.read("outputs/demo/walk/last.txt");
  assertEquals(winner(project), winner(whole));
  tally.close();
});
