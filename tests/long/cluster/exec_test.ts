import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { LIMIT_NEAR } from "../../../engine/cluster/job.ts";
import { openSubmission } from "../../../engine/cluster/submission.ts";
import type { EngineEvent } from "../../../engine/run/events.ts";
import { FolderBackend } from "../../../engine/store/cache/folder_backend.ts";
import { SharedCache } from "../../../engine/store/cache/shared_cache.ts";
import { cachedDigests, execute, submit, ToldQueue, valueOf } from "../../support/cluster.ts";
import { setVariable } from "../../support/own_process.ts";
import { hasProgram, isRoot, onlyIf } from "../../support/proc.ts";
import { Project } from "../../support/project.ts";

const FILE = `name: demo
seed: 3
stages:
  a: { uses: ./code/cook.ts, with: { text: hello, data: ./data.txt } }
  b: { uses: ./code/cook.ts, inputs: { from: [a, names] }, with: { text: middle } }
  names: { uses: ./code/names.ts, with: { folder: ./pictures } }
  walk: { uses: ./code/walk.ts, with: { steps: 6 } }
  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 100 } }
`;

const NAMES = `import { defineStage, externalFile } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "Lists a folder",
  params: z.strictObject({ folder: externalFile(z.string()) }),
  inputs: {},
  outputs: { out: { type: "files", description: "The names" } },
  permissions: { env: ["NOISELINE_TEST_PICTURES"] },
  async run({ params, outputs }) {
    const names = [...Deno.readDirSync(params.folder)].map(({ name }) => name).sort();
    await outputs.out.write("text.txt", names.join() + Deno.env.get("NOISELINE_TEST_PICTURES"));
  },
});
`;

const WALK = `name: demo
stages:
  walk: { uses: ./code/walk.ts, with: { steps: 6, holdAt: 3 } }
`;

/**
 * Makes a project of custom stages that depend on a module and settings in folders above them, on files and folders,
 * and on a right.
 */
function makeProject(file: string): Project {
  const project = new Project({ files: { "p.yaml": file, "data.txt": "some data", "code/names.ts": NAMES } });
  project.copy("tests/support/stages/walk.ts", "code/walk.ts");
  const cook = Deno.readTextFileSync(new URL("../../support/stages/cook.ts", import.meta.url));
  project.write("code/cook.ts", `import { MORE } from "more";\n${cook.replace("join(", "concat(MORE).join(")}`);
  project.write("lib/more.ts", 'export const MORE = ["more"];\n');
  project.write("deno.json", JSON.stringify({ imports: { more: "./lib/more.ts" } }));
  for (const name of ["b.png", "a.png", "deep/c.png"]) project.write(`pictures/${name}`, name);
  return project;
}

const messagesOf = ({ problems }: Awaited<ReturnType<typeof execute>>) =>
  problems.map(({ message, fix }) => `${message}; ${fix}`).join("\n");

Deno.test("each stage as a job of its own gives the bytes of a local run, wherever its files were", async () => {
  await using project = makeProject(FILE);
  await using elsewhere = new Project({ bare: true });
  setVariable("NOISELINE_TEST_PICTURES", "us");
  const submission = await submit(project);
  const grants = ["--grant", "names:env=NOISELINE_TEST_PICTURES"];
  const local = await project.cli(["run", "p.yaml", "--cache", elsewhere.path("shared"), ...grants]);
  assertEquals(local.code, 0, local.stderr);
  // Nodes only see the cache.
  for (const name of ["code", "lib", "pictures", "data.txt", "deno.json"]) project.remove(name);
  for (const [part, id] of [...submission.pipeline.stages.keys()].entries()) {
    const ended = await execute(submission, part);
    assertEquals([ended.code, ended.end?.state], [0, "ran"], `${id}: ${messagesOf(ended)}`);
  }
  assertEquals(cachedDigests(project.path("shared")), cachedDigests(elsewhere.path("shared")));
  // If a result exists, nothing is copied to the node, neither code nor data.
  project.remove("shared/v1/objects");
  const again = await execute(submission, submission.partOf("b"));
  assertEquals([again.code, again.end?.state], [0, "hit"]);
  // Logs lie where everybody can read them.
  assertMatch(project.files("shared/cluster").join("\n"), /submissions\/[^/]+\/stages\/a\/[^/]+\/logs\/a\.log/);
});

Deno.test("a node whose environment gives another key is told which variable it is", async () => {
  await using project = makeProject(FILE);
  setVariable("NOISELINE_TEST_PICTURES", "us");
  const submission = await submit(project);
  setVariable("NOISELINE_TEST_PICTURES", "them");
  const ended = await execute(submission, submission.partOf("names"));
  assertEquals([ended.code, ended.end?.state], [2, "failed"]);
  assertStringIncludes(messagesOf(ended), "the environment variable NOISELINE_TEST_PICTURES is another here");
});

Deno.test("a job never computes what it reads", async () => {
  await using project = makeProject(FILE);
  const submission = await submit(project);
  const ended = await execute(submission, submission.partOf("b"));
  assertEquals(ended.code, 1);
  assertStringIncludes(messagesOf(ended), "what it reads is not in the shared cache: a, names");
  assertEquals(project.exists("shared/v1/results"), false);
});

/** Runs as one attempt of the walk until it holds at step 3, then does something. */
async function hold(
  submission: Awaited<ReturnType<typeof submit>>,
  attempt: number,
  then: (stop: AbortController) => unknown,
) {
  const stop = new AbortController();
  const queue = new ToldQueue({ id: "7", attempt });
  const ended = await execute(submission, 0, {
    queue,
    stop: stop.signal,
    emit: (event) => event.type === "stage-saved" && event.step === 3 && then(stop),
  });
  return { ...ended, requeued: queue.requeued };
}

async function localWalk(project: Project): Promise<ReturnType<typeof cachedDigests>> {
  await using elsewhere = new Project({ bare: true });
  const args = ["run", "p.yaml", "--set", "walk.holdAt=0", "--cache", elsewhere.path("shared")];
  const local = await project.cli(args);
  assertEquals(local.code, 0, local.stderr);
  return cachedDigests(elsewhere.path("shared"));
}

for (const reason of [LIMIT_NEAR, "ended"]) {
  Deno.test(`a stage that is stopped (${reason}) is queued again, and goes on with the same bytes`, async () => {
    await using project = makeProject(WALK);
    const submission = await submit(project);
    const first = await hold(submission, 0, (stop) => stop.abort(reason));
    assertEquals([first.code, first.requeued], [75, ["7"]], messagesOf(first));
    assertEquals([first.end?.state, first.end?.fromStep, first.end?.toStep], ["again", 0, 3]);
    assertEquals(first.end?.message, reason === LIMIT_NEAR ? "time limit reached" : null);
    const second = await hold(submission, 1, () => {});
    assertEquals([second.code, second.end?.state, second.end?.fromStep], [0, "ran", 3], messagesOf(second));
    assertEquals(cachedDigests(project.path("shared")), await localWalk(project));
    const states = project.files("shared/cluster/states").filter((path) => path.endsWith("manifest.json"));
    assertEquals(states.map((path) => /7\.1\/step-\d$/.test(path.slice(0, -14))), [true, true]);
  });
}

Deno.test("an attempt that lives on beside the next one loses nothing and serves no wrong byte", async () => {
  await using project = makeProject(WALK);
  const submission = await submit(project);
  const next = Promise.withResolvers<Awaited<ReturnType<typeof hold>>>();
  const old = await hold(submission, 0, async (stop) => {
    // The first attempt is cut off from the queue but not from the cache, and waits while the second works.
    const second = await hold(submission, 1, () => {});
    stop.abort("ended");
    next.resolve(second);
  });
  const second = await next.promise;
  assertEquals([second.code, second.end?.state], [0, "ran"], messagesOf(second));
  assertEquals([old.end?.state, old.requeued], ["again", []]);
  assertEquals(cachedDigests(project.path("shared")), await localWalk(project));
  const third = await hold(submission, 2, () => {});
  assertEquals(third.end?.state, "hit");
});

Deno.test("a stage that gets nowhere in its time, or again and again, is given up", async () => {
  await using project = makeProject(WALK);
  const submission = await submit(project);
  const stopped = new AbortController();
  stopped.abort(LIMIT_NEAR);
  const ended = await execute(submission, 0, { stop: stopped.signal });
  assertEquals(ended.code, 1);
  assertStringIncludes(messagesOf(ended), "its time limit is too short to get from step 0 to the next saved state");
  // Attempts that are killed at once leave only the mark of their start.
  for (const attempt of [1, 2, 3]) {
    Deno.writeTextFileSync(join(submission.folder, "ends", `0.7.${attempt}.start`), '{"fromStep":null}');
  }
  const fifth = await hold(submission, 4, () => {});
  assertEquals(fifth.code, 1);
  assertStringIncludes(messagesOf(fifth), "it was started 5 times without getting further than step 0");
});

Deno.test("of two jobs with one key the second waits, and takes over from one that gives up", async () => {
  await using project = makeProject(WALK);
  const submission = await submit(project);
  const holders: string[] = [];
  let other: Promise<Awaited<ReturnType<typeof execute>>> | undefined;
  const first = await hold(submission, 0, (stop) => {
    const emit = (event: EngineEvent) => {
      if (event.type !== "stage-waiting") return;
      holders.push(event.holder);
      stop.abort("ended");
    };
    other = execute(submission, 0, { queue: new ToldQueue({ id: "8", attempt: 0 }), emit });
  });
  assertEquals(first.end?.state, "again");
  const ended = await other!;
  assertEquals(holders, ["job 7"]);
  // It continues from the other attempt's state.
  assertEquals([ended.code, ended.end?.state, ended.end?.fromStep], [0, "ran", 3], messagesOf(ended));
});

/** Starts a job in a process of its own. */
function startJob(project: Project, { folder, digest }: Awaited<ReturnType<typeof submit>>, id: string) {
  const main = new URL("../../support/cluster_job.ts", import.meta.url).pathname;
  return project.start([folder, digest, "0", id], { main, denoFlags: ["--no-check"] });
}

const endOf = async (job: ReturnType<typeof startJob>) => await job.event(({ type }) => type === "ended");

Deno.test("a job takes over from one whose process was killed, once its claim has expired", async () => {
  await using project = makeProject(WALK);
  const submission = await submit(project);
  await using first = startJob(project, submission, "7");
  await first.event(({ type, step }) => type === "stage-saved" && step === 3);
  await using second = startJob(project, submission, "8");
  await second.event(({ type, holder }) => type === "stage-waiting" && holder === "job 7");
  first.signal("SIGKILL");
  const { code, state, fromStep } = await endOf(second);
  assertEquals([code, state, fromStep], [0, "ran", 3]);
  assertEquals(cachedDigests(project.path("shared")), await localWalk(project));
});

Deno.test("of many jobs that claim a key at once one computes it, and the others are served", async () => {
  await using project = makeProject(WALK.replace("holdAt: 3", "text: race"));
  const submission = await submit(project);
  await using jobs = new AsyncDisposableStack();
  const started = ["7", "8_1", "8_2", "9"].map((id) => jobs.use(startJob(project, submission, id)));
  const ends = await Promise.all(started.map(endOf));
  assertEquals(ends.map(({ code, state }) => `${code} ${state}`).sort(), ["0 hit", "0 hit", "0 hit", "0 ran"]);
});

/** Opens the shared cache as a run on another machine does, and returns it with the only key that is claimed there. */
function openElsewhere(project: Project) {
  const { signal: stop } = new AbortController();
  const options = { name: "shared", stop, warn: () => {}, patience: { lookMs: 10 } };
  const cache = new SharedCache(new FolderBackend(project.path("shared")), "read-write", options);
  const [file] = project.files("shared/v1/claims");
  return { cache, key: file!.split("/").at(-1)!, stop };
}

Deno.test("runs and jobs wait for each other, and a job that only waited until its limit goes on waiting", async () => {
  await using project = makeProject(WALK);
  const submission = await submit(project);
  const holders: string[] = [];
  // A run finds the claim of a job.
  const first = await hold(submission, 0, async (stop) => {
    const { cache, key, stop: never } = openElsewhere(project);
    await cache.claim(key, never, (holder) => {
      holders.push(holder);
      stop.abort(LIMIT_NEAR);
    });
  });
  assertEquals([holders, first.end?.state], [["job 7"], "again"]);
  // A job finds the claim of a run.
  const { cache, key, stop: never } = openElsewhere(project);
  const claim = await cache.claim(key, never, () => {});
  const limit = new AbortController();
  const queue = new ToldQueue({ id: "8", attempt: 0 });
  const emit = ({ type }: EngineEvent) => type === "stage-waiting" && limit.abort(LIMIT_NEAR);
  const waited = await execute(submission, 0, { queue, emit, stop: limit.signal });
  assertEquals([waited.code, waited.end?.state, queue.requeued], [75, "again", ["8"]], messagesOf(waited));
  // The attempt does not count as one that came no further.
  assertEquals(JSON.parse(project.read(`${submission.folder.slice(project.root.length)}/ends/0.8.0.start`)), {
    fromStep: null,
  });
  await claim![Symbol.asyncDispose]();
  const served = await execute(submission, 0, { queue });
  assertEquals([served.code, served.end?.state, served.end?.fromStep], [0, "ran", 3], messagesOf(served));
});

Deno.test({
  ...onlyIf(
    isRoot() && hasProgram("mount"),
    "only root can mount a small disk",
    "a full cache fails the job with its reason, and one that gets room again does not",
  ),
  async fn() {
    await using project = makeProject(FILE);
    Deno.mkdirSync(project.path("shared"));
    const call = (program: string, ...args: string[]) => new Deno.Command(program, { args }).output();
    assert((await call("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", project.path("shared"))).success);
    try {
      const submission = await submit(project);
      const filler = project.path("shared", "filler");
      await call("dd", "if=/dev/zero", `of=${filler}`, "bs=4k");
      const full = await execute(submission, submission.partOf("noise"));
      assertEquals(full.code, 1);
      assertStringIncludes(messagesOf(full), "its result cannot be sent to the shared cache");
      assertEquals(project.files("shared/v1").filter((path) => /results|recipes|tmp/.test(path)), []);
      let emptied = false;
      const emit = (event: { type: string; message?: string }) => {
        if (emptied || !event.message?.startsWith("its result was not sent")) return;
        Deno.removeSync(filler);
        emptied = true;
      };
      const good = await execute(submission, submission.partOf("noise"), { emit });
      assertEquals([good.code, good.end?.state], [0, "ran"], messagesOf(good));
    } finally {
      await call("umount", project.path("shared"));
    }
  },
});

Deno.test("what is no job, no part or no cache is refused", async () => {
  await using project = makeProject(WALK);
  const submission = await submit(project);
  const outside = new ToldQueue({ id: "7", attempt: 0 });
  outside.own = () => undefined as never;
  assertStringIncludes(messagesOf(await execute(submission, 0, { queue: outside })), "this is no job");
  assertStringIncludes(messagesOf(await execute(submission, 1)), "has no part 1");
  const digest = "0".repeat(64);
  await assertRejects(() => execute({ ...submission, digest }, 0), Error, "not the one that was submitted");
  const folder = "/nowhere/cluster/submissions/x";
  const gone = await project.cli(["exec", folder, "--digest", digest, "--part", "0"]);
  assertEquals(gone.code, 2);
  assertStringIncludes(gone.stderr, `Cannot use the submission ${folder}`);
});

Deno.test("a cache that is away for a while costs no job, whenever that is, and one that stays away is named", async () => {
  await using project = makeProject(FILE);
  const { folder, digest, partOf } = await submit(project);
  const [shared, away] = [project.path("shared"), project.path("away")];
  const submission = valueOf(openSubmission(folder, digest));
  const notes: string[] = [];
  const leave = () => Deno.renameSync(shared, away);
  const run = async (id: string, { leaves, comes = true }: { leaves?: EngineEvent["type"]; comes?: boolean }) =>
    await execute({ folder, digest }, partOf(id), {
      submission,
      emit: (event) => {
        const isAway = !existsSync(shared);
        if (event.type === "note") notes.push(event.message);
        if (event.type === "note" && comes && isAway && /not (there|sent)/.test(event.message)) {
          Deno.renameSync(away, shared);
        } else if (event.type === leaves && !isAway) leave();
      },
    });
  // The user leaves before a job has read its task, and while its result is computed.
  leave();
  const first = await run("noise", {});
  assertEquals([first.code, first.end?.state, first.problems], [0, "ran", []]);
  assertEquals(notes.splice(0)[0], `the cache folder ${shared} is not there; waiting for it`);
  const second = await run("walk", { leaves: "stage-started" });
  assertEquals([second.code, second.end?.state, second.problems], [0, "ran", []]);
  assertMatch(notes.splice(0).join("\n"), /its result was not sent, trying again/);
  leave();
  const third = await run("names", { comes: false });
  assertEquals([third.code, messagesOf(third).split(";")[0]], [2, `the cache folder ${shared} is not there`]);
  assertEquals(existsSync(shared), false);
});

Deno.test("exec waits for a cache that is away as its job starts, and tells one that is no job at once", async () => {
  await using project = makeProject(FILE);
  const { folder, digest, partOf } = await submit(project);
  const [shared, away] = [project.path("shared"), project.path("away")];
  const args = ["exec", folder, "--digest", digest];
  const part = ["--part", String(partOf("noise"))];
  Deno.renameSync(shared, away);
  const outside = await project.cli([...args, ...part]);
  assertEquals(outside.code, 2);
  assertStringIncludes(outside.stderr, `Cannot use the submission ${folder}: it is not there`);
  // With this PATH, no queue answers the job.
  const env = { SLURM_JOB_ID: "7", PATH: "/nowhere" };
  await using job = project.start([...args, ...part], { env });
  await using stopped = project.start([...args, ...part], { env });
  for (const one of [job, stopped]) await one.said(`the cache folder ${shared} is not there; waiting for it`, "stderr");
  stopped.signal("SIGTERM");
  assertEquals((await stopped.outcome()).code, 2);
  assertEquals(existsSync(shared), false);
  Deno.renameSync(away, shared);
  const { code, stdout, stderr } = await job.outcome();
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /attempt 0 of job 7 on .*: ran/);
});
