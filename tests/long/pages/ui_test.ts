import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { findServer } from "../../../pages/server/start.ts";
import { findServers, startUi, userOf, Visitor } from "../../support/live_server.ts";
import { isGoneWithin } from "../../support/proc.ts";
import { Project } from "../../support/project.ts";

const SCHEDULE = `name: demo
stages:
  noise: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
`;

/** A stage that reports a loss five times a second, for up to two minutes. */
const SLOW = `import { defineStage } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Takes its time",
  params: z.strictObject({}),
  inputs: {},
  outputs: { out: { type: "files", description: "Nothing" } },
  async run({ report, outputs }) {
    for (let done = 1; done <= 600; done++) {
      report({ done, total: 600, unit: "step", figures: { loss: 1 / done } });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await outputs.out.write("x", "x");
  },
});
`;
const SLOWLY = `name: demo
stages:
  slow: { uses: ./slow.ts }
  after: { uses: schedule, with: { betas: sigmoid, timesteps: 10 } }
`;

const addressIn = (text: string) => /http:\S+/.exec(text)![0];

Deno.test("a store that is absent has a page, and one that is made meanwhile is shown", async () => {
  await using project = new Project({ files: { "p.yaml": SCHEDULE } });
  const env = await userOf(project);
  await using ui = await startUi(project, [], { env });
  const visitor = await Visitor.open((await project.cli(["ui"], { env })).stdout.trim());
  assertStringIncludes(await visitor.text("/"), "There is no store at");
  assert(!project.exists(".noiseline"));
  await project.cli(["run", "p.yaml"], { env });
  const [runId] = project.list(".noiseline/runs");
  assertStringIncludes(await visitor.text("/"), `/run/${runId}`);
  // A run's record is damaged, and one is removed while it is looked at.
  project.write(`.noiseline/runs/${runId}/plan.json`, "{");
  project.write(".noiseline/runs/20260101T000000000-1/run.json", "torn");
  project.write(".noiseline/index.jsonl", "torn");
  assertEquals((await visitor.get(`/run/${runId}`)).status, 200);
  project.remove(".noiseline/objects");
  assertEquals((await visitor.get(`/run/${runId}`)).status, 200);
  project.remove(`.noiseline/runs/${runId}`);
  assertEquals((await visitor.get(`/run/${runId}`)).status, 404);
  assertEquals((await visitor.get("/")).status, 200);
  const [pid] = findServers(project);
  ui.signal("SIGKILL");
  assertMatch((await ui.outcome()).stderr, /^there is no store at \S+ yet; runs show once there is one\n$/);
  assert(await isGoneWithin(pid!));
});

Deno.test("run --open serves the run while it goes on, and its page lives: figures come, and its end by a kill", async () => {
  await using project = new Project({ files: { "p.yaml": SLOWLY, "slow.ts": SLOW } });
  const env = await userOf(project);
  await using run = project.start(["run", "p.yaml", "--open", "--json"], { env });
  const { message } = await run.event(({ type, message }) => type === "note" && message.startsWith("live page: "));
  const address = addressIn(message);
  const { pathname } = new URL(address);
  const visitor = await Visitor.open(address);
  assertEquals(pathname, `/run/${project.list(".noiseline/runs")[0]}`);
  let steps = 0;
  let killed = false;
  for await (const { name, data } of visitor.events(pathname)) {
    if (name === "rows") steps = (data as { rows: { step: number }[] }).rows.at(-1)!.step;
    if (name === "rows" && steps > 5 && !killed) {
      killed = true;
      run.signal("SIGKILL");
    }
    if (name === "part" && data["id"] === "head" && String(data["html"]).includes("killed")) break;
  }
  assert(killed && steps > 5);
  // The server outlives the run, and the next command that needs it finds it.
  const [pid] = findServers(project);
  const second = await project.cli(["ui", "--json"], { env });
  assertEquals([second.json.started, new URL(second.json.address).origin], [false, visitor.origin]);
  assertEquals(findServers(project), [pid]);
  Deno.kill(pid!, "SIGKILL");
});

Deno.test("run --open keeps the exit code and output of run; without a server it says so and goes on", async () => {
  await using project = new Project({ files: { "p.yaml": SCHEDULE, none: "no folder" } });
  const env = await userOf(project);
  const plain = await project.cli(["run", "p.yaml", "--store", "one/store"], { env });
  const open = await project.cli(["run", "p.yaml", "--store", "two/store", "--open"], { env });
  // The two runs differ in times and ids.
  const shape = (text: string) => text.replaceAll(/\d{8}T\d{9}-\w+|[\d.]+s\b/g, "#").replaceAll("two/", "one/");
  assertEquals([open.code, shape(open.stdout)], [plain.code, shape(plain.stdout)]);
  assertMatch(open.stderr, /^live page: http:\/\/127\.0\.0\.1:\d+\/run\/\S+\?token=\S+\n$/);
  const visitor = await Visitor.open(addressIn(open.stderr));
  assertStringIncludes(await visitor.text(new URL(addressIn(open.stderr)).pathname), "done");
  // Everything is up to date: the page of the earlier run is opened.
  const again = await project.cli(["run", "p.yaml", "--store", "two/store", "--open"], { env });
  assertEquals(again.code, 0);
  assertStringIncludes(again.stderr, new URL(addressIn(open.stderr)).pathname);
  for (const pid of findServers(project).concat(findServers({ root: project.path("two") } as Project))) {
    Deno.kill(pid, "SIGKILL");
  }
  // If a server could not be found again, it ends with the run that started it.
  const unkept = { ...env, XDG_CACHE_HOME: project.path("none") };
  const alone = await project.cli(["run", "p.yaml", "--store", "two/store", "--open"], { env: unkept });
  assertEquals(alone.code, 0);
  assertMatch(alone.stderr, /^live page: \S+\n$/);
  for (const pid of findServers({ root: project.path("two") } as Project)) assert(await isGoneWithin(pid));
  project.write("three/a,b/x", "");
  const without = await project.cli(["run", "p.yaml", "--store", "three/a,b", "--open"], { env });
  assertEquals(without.code, 0);
  assertStringIncludes(without.stderr, "no live page: Deno cannot be allowed to read a,b: its name has a comma");
});

Deno.test("a server that outlives its run holds no lock that the run was started under", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using project = new Project({ files: { "p.yaml": SCHEDULE } });
  const env = await userOf(project);
  const lock = project.path("lock");
  const { code } = await project.cli(["run", "p.yaml", "--open"], { env, prefix: ["flock", lock] });
  assertEquals(code, 0);
  const [pid] = findServers(project);
  assert(pid !== undefined);
  assertEquals((await new Deno.Command("flock", { args: ["--nonblock", lock, "true"] }).output()).code, 0);
  Deno.kill(pid, "SIGKILL");
});

Deno.test("a server that nobody needs ends by itself; one that somebody listens to, or of a run that is on, does not", async () => {
  await using project = new Project({ files: { "p.yaml": SCHEDULE, "slowly.yaml": SLOWLY, "slow.ts": SLOW } });
  const place = { store: project.path(".noiseline") };
  await project.cli(["run", "p.yaml"]);
  const idleMs = 1_500;
  const server = await findServer(place, { idleMs });
  assert("port" in server && server.child !== undefined);
  const visitor = await Visitor.open(`http://127.0.0.1:${server.port}/?token=${server.token}`);
  const stream = visitor.events("/");
  await stream.next();
  assertEquals(await isGoneWithin(server.child.pid, 2 * idleMs), false);
  // Requests without the token do not count.
  assertEquals((await fetch(visitor.origin)).status, 401);
  // The server does not end while a run of its store is live: its page may be open in a hidden tab, and will be looked
  // at again.
  const run = project.start(["run", "slowly.yaml"]);
  await run.said("slow");
  await stream.return(undefined);
  assertEquals(await isGoneWithin(server.child.pid, 3 * idleMs), false);
  run.signal("SIGKILL");
  assert(await isGoneWithin(server.child.pid));
});
