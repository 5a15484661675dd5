import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { finalDigests } from "../support/check_plan.ts";
import type { Json, Outcome } from "../support/cli_process.ts";
import { hasProgram, isRoot, onlyIf } from "../support/proc.ts";
import { Project } from "../support/project.ts";
import { durationOf } from "../support/clock.ts";

/** Twelve stages of a millisecond each, so that a run spends its time on publishing and uploading. */
const STAGES = Array.from(
  { length: 12 },
  (_, n) => `  s${n}: { uses: schedule, with: { betas: sigmoid, timesteps: ${100 + n} } }\n`,
);
const FILE = `name: demo\nstages:\n${STAGES.join("")}`;

const makeProject = () => new Project({ files: { "p.yaml": FILE } });

function states({ events }: Outcome): string[] {
  return [...new Set(events.filter(({ type }) => type === "stage-finished").map(({ state }: Json) => state))].sort();
}

function warnings({ events }: Outcome): string[] {
  return events.filter(({ type, level }) => type === "warning" || level === "warn").map(({ message }) => message);
}

async function run(project: Project, cache: string): Promise<Outcome> {
  const outcome = await project.cli(["run", "p.yaml", "--json", "--cache", cache]);
  assertEquals(outcome.code, 0, outcome.stdout + outcome.stderr);
  return outcome;
}

Deno.test("a shared folder holds whole results or none, whenever a writer is killed", async () => {
  await using reference = makeProject();
  const wholeMs = await durationOf(() => run(reference, reference.path("shared")));
  const right = await finalDigests(reference, ["p.yaml"]);
  let killed = 0;
  const tries = 8;
  for (let n = 0; n < tries; n++) {
    await using shared = new Project({ bare: true });
    const cache = shared.path("cache");
    await using writer = makeProject();
    await using running = writer.start(["run", "p.yaml", "--json", "--cache", cache]);
    await running.event(({ type }) => type === "run-started");
    // The moments range from the first stage to after the last file.
    await new Promise((resolve) => setTimeout(resolve, wholeMs * n / (1.5 * tries)));
    running.signal("SIGKILL");
    if ((await running.outcome()).signal === "SIGKILL") killed++;
    await using reader = makeProject();
    const outcome = await run(reader, cache);
    assertEquals(warnings(outcome), [], `try ${n}`);
    assertEquals(await finalDigests(reader, ["p.yaml"]), right, `try ${n}`);
    assertEquals(states(await run(writer, cache)).filter((state) => state === "failed"), []);
  }
  assert(killed >= tries / 4, `${killed} of ${tries} were killed before their end`);
});

Deno.test("a shared folder serves six machines that start at once, each with the right bytes", async () => {
  await using shared = new Project({ bare: true });
  const machines = Array.from({ length: 6 }, makeProject);
  const all = await Promise.all(machines.map((machine) => run(machine, shared.path("cache"))));
  assertEquals(all.flatMap(warnings), []);
  const [first, ...others] = await Promise.all(machines.map((machine) => finalDigests(machine, ["p.yaml"])));
  for (const one of others) assertEquals(one, first);
  assertEquals(shared.files("cache/v1/results").length, 12);
  assertEquals(shared.list("cache/tmp"), []);
  for (const machine of machines) await machine[Symbol.asyncDispose]();
});

async function call(program: string, args: string[]): Promise<string | undefined> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  return success ? undefined : new TextDecoder().decode(stderr);
}

Deno.test({
  ...onlyIf(
    isRoot() && hasProgram("mount"),
    "only root can mount a small disk",
    "a shared folder on a full disk costs one warning and not the run",
  ),
  async fn() {
    await using project = makeProject();
    const disk = project.path("disk");
    Deno.mkdirSync(disk);
    assertEquals(await call("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]), undefined);
    await using _mounted = { [Symbol.asyncDispose]: async () => void await call("umount", [disk]) };
    const outcome = await run(project, `${disk}/cache`);
    assertEquals(states(outcome), ["ran"]);
    assertEquals(warnings(outcome).length, 1, warnings(outcome).join("\n"));
    assertStringIncludes(warnings(outcome)[0]!, "No space left");
    // The files that were written are complete.
    await using reader = makeProject();
    assertEquals(warnings(await run(reader, `${disk}/cache`)).filter((text) => /damaged|missing/.test(text)), []);
  },
});

/** Like two hosts of a network file system: a file that was absent stays absent for a while. */
const STALE = "attr_timeout=60,entry_timeout=60,negative_timeout=60";

/** Returns why no folder can be mounted twice here. */
async function bindfsProblem(): Promise<string | undefined> {
  if (!isRoot() || !hasProgram("bindfs") || !hasProgram("umount")) return "only root with bindfs can do so";
  await using trial = new Project({ bare: true });
  for (const name of ["real", "view"]) Deno.mkdirSync(trial.path(name));
  const problem = await call("bindfs", ["-o", STALE, trial.path("real"), trial.path("view")]);
  return problem ?? await call("umount", [trial.path("view")]);
}

const problem = await bindfsProblem();
Deno.test({
  ...onlyIf(
    problem === undefined,
    `no folder can be mounted twice here, with caches of their own: ${problem?.trim()}`,
    "a shared folder whose view is stale gives misses and no errors",
  ),
  async fn() {
    await using shared = new Project({ bare: true });
    const views = ["one", "two"].map((name) => shared.path(name));
    for (const folder of [...views, shared.path("real", "cache")]) Deno.mkdirSync(folder, { recursive: true });
    const unmount = async () => {
      for (const view of views) await call("umount", [view]);
    };
    await using _mounted = { [Symbol.asyncDispose]: unmount };
    for (const view of views) {
      assertEquals(await call("bindfs", ["-o", STALE, shared.path("real"), view]), undefined);
    }
    await using late = makeProject();
    // This view learns that the cache is empty before the other view writes.
    await late.cli(["plan", "p.yaml", "--cache", `${views[1]}/cache`]);
    await using writer = makeProject();
    assertEquals(warnings(await run(writer, `${views[0]}/cache`)), []);
    const outcome = await run(late, `${views[1]}/cache`);
    assertEquals(warnings(outcome), []);
    assertEquals(await finalDigests(late, ["p.yaml"]), await finalDigests(writer, ["p.yaml"]));
    assertEquals(states(outcome), ["ran"], "the view was stale, or this tests nothing");
  },
});
