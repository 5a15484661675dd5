import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Json, Outcome } from "./cli_process.ts";
import { digestsOf, type Project } from "./project.ts";

/** The way in which a stage must end in `run` if `plan` was certain. */
const CERTAIN: Readonly<Record<string, string>> = { run: "ran", extend: "ran", resume: "ran", restore: "restored" };

/** The ways in which a may-run stage may end. */
const OPEN = ["ran", "cached", "restored"];

export interface CheckedRun {
  readonly plan: Json;
  readonly outcome: Outcome;
  /** Planned state by stage. */
  readonly planned: Readonly<Record<string, string>>;
  /** The end of each stage that was not cached from the start. */
  readonly ended: Readonly<Record<string, string>>;
  /** Ids of stages whose code ran, sorted. */
  readonly ran: readonly string[];
}

/**
 * Plans, runs, and compares the two: certain ⊆ executed ⊆ certain ∪ may-run.
 * @param args arguments of both `plan` and `run`: file, stages, `--set` and the like
 * @param runOnly options that only `run` has
 */
export async function runAndCheckPlan(
  project: Project,
  args: readonly string[],
  { runOnly = [], code = 0, env = {} }: {
    readonly runOnly?: readonly string[];
    readonly code?: number;
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<CheckedRun> {
  const before = await project.cli(["plan", ...args, "--json"], { env });
  assertEquals(before.code, 0, `plan: ${before.stdout}${before.stderr}`);
  const outcome = await project.cli(["run", ...args, ...runOnly, "--json"], { env });
  assertEquals(outcome.code, code, `run: ${outcome.stdout}${outcome.stderr}`);
  const plan = before.json;
  return { plan, outcome, ...compareWithPlan(plan, outcome.events, code === 0) };
}

/** @param whole true if the run reached everything; a run that failed or stopped leaves planned work undone */
export function compareWithPlan(plan: Json, events: readonly Json[], whole: boolean) {
  const planned: Record<string, string> = Object.create(null);
  for (const { id, state } of plan.stages) planned[id] = state;
  const ended: Record<string, string> = Object.create(null);
  for (const event of events) if (event.type === "stage-finished") ended[event.id] = event.state;

  for (const [id, state] of Object.entries(planned)) {
    const end = ended[id];
    if (state === "cached") {
      assertEquals(end, undefined, `"${id}" was planned as cached`);
    } else if (state === "may-run") {
      assert(!whole || OPEN.includes(end ?? "none"), `"${id}" was planned as may-run and ended as ${end}`);
    } else if (whole) {
      assertEquals(end, CERTAIN[state], `"${id}" was planned as ${state}`);
    }
  }
  for (const event of events.filter(({ type }) => type === "stage-started")) {
    const { id, state } = event;
    // A stage with a longer extent continues the shorter one that ran just before it.
    const continues = planned[id] === "run" && state === "extend";
    if (planned[id] === "may-run" || continues) continue;
    assertEquals(state, planned[id], `"${id}" started in another state than planned`);
  }
  const ran = Object.keys(ended).filter((id) => ended[id] === "ran").sort();
  return { planned, ended, ran };
}

/** Returns the digests of all outputs of a pipeline; throws unless all of them exist. */
export async function finalDigests(project: Project, args: readonly string[]) {
  const { code, stdout, stderr } = await project.cli(["plan", ...args, "--json"]);
  assertEquals(code, 0, stderr);
  const plan = JSON.parse(stdout);
  assertEquals(plan.stages.filter((stage: Json) => stage.state !== "cached"), []);
  return digestsOf(plan);
}

/** Runs a pipeline that must be up to date, and checks that the run says so. */
export async function assertNothingToDo(project: Project, args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await project.cli(["run", ...args]);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^[a-z]+: nothing to do \(\d+ stages? cached\)\n(?:page: .*\n)?$/);
}

/** Returns the codes of the reasons that a plan in JSON gives for a stage. */
export function reasonsOf(plan: Json, id: string): string[] {
  return plan.stages.find((stage: Json) => stage.id === id).reasons.map(({ code }: Json) => code);
}
