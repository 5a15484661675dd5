import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { finalDigests } from "../support/check_plan.ts";
import type { Json, Outcome } from "../support/cli_process.ts";
import { FaultProxy, type Passed } from "../support/fault_proxy.ts";
import { MotoServer } from "../support/moto_server.ts";
import { onlyIf } from "../support/proc.ts";
import { Project } from "../support/project.ts";

const FILE = `name: demo
stages:
  a: { uses: ./cook.ts, with: { text: hello } }
  b: { uses: ./cook.ts, inputs: { from: [a] }, with: { text: middle } }
  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 50 } }
`;

const ALL = ["a", "b", "noise"];
const makeProject = (files: Record<string, string> = {}) =>
  new Project({ stages: ["cook", "misbehave"], files: { "p.yaml": FILE, ...files } });

/** One server and one proxy for all tests; each test has its own prefix. */
class World implements AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly #prefix = crypto.randomUUID();
  readonly #bucket: string;

  constructor(server: MotoServer) {
    this.proxy = new FaultProxy(server.endpoint);
    this.#bucket = server.bucket;
  }

  get env(): Record<string, string> {
    return {
      AWS_ACCESS_KEY_ID: "any",
      AWS_SECRET_ACCESS_KEY: "any",
      AWS_ENDPOINT_URL: this.proxy.endpoint,
      NOISELINE_CACHE: `s3://${this.#bucket}/${this.#prefix}`,
    };
  }

  run(project: Project, args: readonly string[] = []) {
    return project.cli(["run", "p.yaml", "--json", ...args], { env: this.env });
  }

  start(project: Project) {
    return project.start(["run", "p.yaml", "--json"], { env: this.env });
  }

  /** Returns the service's own answers to requests of one kind. */
  answers(method: string, part: string): number[] {
    return this.proxy.seen.filter((one) => one.method === method && one.path.includes(part)).map(({ status }) =>
      status
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.proxy[Symbol.asyncDispose]();
  }
}

function ended({ events }: Outcome): Record<string, string> {
  return Object.fromEntries(events.filter(({ type }) => type === "stage-finished").map(({ id, state }) => [id, state]));
}

/** Returns the warnings of the run as a whole and of its stages. */
function warnings({ events }: Outcome): string[] {
  return events.filter(({ type, level }) => type === "warning" || level === "warn").map(({ message }) => message);
}

const every = (state: string) => Object.fromEntries(ALL.map((id) => [id, state]));

/** Returns the digests of a machine without a cache. */
async function truth(): Promise<Json> {
  await using project = makeProject();
  assertEquals((await project.cli(["run", "p.yaml"])).code, 0);
  return await finalDigests(project, ["p.yaml"]);
}

const problem = await MotoServer.problem({ install: true });
Deno.test({
  ...onlyIf(problem === undefined, `${problem}`, "a shared cache in an S3 service"),
  async fn(t) {
    await using server = await MotoServer.start();
    const right = await truth();
    const step = (name: string, work: (world: World) => Promise<void>) =>
      t.step(name, async () => {
        await using world = new World(server);
        await work(world);
      });

    /** Runs on a machine that must get the right results, whatever the cache does. */
    const runRight = async (world: World) => {
      await using project = makeProject();
      const outcome = await world.run(project);
      assertEquals(outcome.code, 0, outcome.stdout + outcome.stderr);
      assertEquals(await finalDigests(project, ["p.yaml"]), right);
      return outcome;
    };

    await step("a second machine runs nothing", async (world) => {
      assertEquals(ended(await runRight(world)), every("ran"));
      const second = await runRight(world);
      assertEquals(ended(second), every("restored"));
      assertEquals(warnings(second), []);
    });

    await step("every object that comes with a flipped bit is refused, named and made again", async (world) => {
      await runRight(world);
      world.proxy.decide = ({ method, path }) => method === "GET" && path.includes("/objects/") ? "flip" : undefined;
      const second = await runRight(world);
      assertEquals(ended(second), every("ran"));
      assert(
        warnings(second).length >= 3 && warnings(second).every((text) => text.includes("damaged in the shared cache")),
      );
    });

    await step("a connection that breaks once is tried again", async (world) => {
      await runRight(world);
      const broken = new Set<string>();
      world.proxy.decide = ({ method, path }) => {
        if (method !== "GET" || broken.has(path)) return undefined;
        broken.add(path);
        return "break";
      };
      const second = await runRight(world);
      assertEquals(ended(second), every("restored"));
      assertEquals(warnings(second), []);
    });

    await step("a kill before any request leaves no result that is not whole", async (world) => {
      await runRight(world);
      const puts = world.answers("PUT", "/").length;
      assert(puts >= 14, `${puts} files are stored`);
      for (let k = 0; k < puts; k += 3) {
        await using killed = new World(server);
        await using project = makeProject();
        let seen = 0;
        await using running = killed.start(project);
        killed.proxy.decide = ({ method }) => {
          if (method !== "PUT" || seen++ < k) return undefined;
          running.signal("SIGKILL");
          return "hang";
        };
        assertEquals((await running.outcome()).signal, "SIGKILL", `request ${k}`);
        killed.proxy.decide = () => undefined;
        const other = await runRight(killed);
        assertEquals(warnings(other), [], `request ${k}`);
        // The killed run continues by itself.
        assertEquals((await killed.run(project)).code, 0);
        assertEquals(await finalDigests(project, ["p.yaml"]), right);
      }
    });

    await step("a server that goes away in the middle of a run costs one warning", async (world) => {
      await using project = makeProject();
      await using running = world.start(project);
      await running.event(({ type, id }) => type === "stage-finished" && id === "noise");
      await world.proxy.stop();
      const outcome = await running.outcome();
      assertEquals(outcome.code, 0);
      assertEquals(ended(outcome), every("ran"));
      assertEquals(warnings(outcome).length, 1, warnings(outcome).join("\n"));
      assertStringIncludes(warnings(outcome)[0]!, "Connection refused");
    });

    await step("denied, refused, failing and silent services cost one warning", async (world) => {
      const cases: [NonNullable<ReturnType<typeof world.proxy.decide>>, string][] = [
        [{ status: 403, code: "AccessDenied" }, "reading was denied: 403 AccessDenied"],
        [{ status: 403, code: "InvalidAccessKeyId" }, "cannot be reached: 403 InvalidAccessKeyId"],
        [{ status: 503, code: "SlowDown" }, "cannot be reached: 503 SlowDown"],
        ["hang", "cannot be reached: no answer in time"],
      ];
      for (const [fault, message] of cases) {
        world.proxy.decide = () => fault;
        const outcome = await runRight(world);
        assertEquals(warnings(outcome).length, 1, warnings(outcome).join("\n"));
        assertStringIncludes(warnings(outcome)[0]!, message);
        const note = outcome.events.findLast(({ type }) => type === "note");
        assertEquals(note.message, "3 results not sent to the shared cache");
      }
    });

    await step("a service that can be read and not written serves, and says so", async (world) => {
      await runRight(world);
      world.proxy.decide = ({ method }) => method === "PUT" ? { status: 403, code: "AccessDenied" } : undefined;
      await using project = makeProject();
      const outcome = await world.run(project, ["--set", "b.text=other"]);
      assertEquals(ended(outcome), { a: "restored", b: "ran", noise: "restored" });
      assertEquals(warnings(outcome).length, 1);
      assertStringIncludes(warnings(outcome)[0]!, "1 result was not sent: 403 AccessDenied");
    });

    await step(
      "of machines that make one result at once the first wins, and each has the right bytes",
      async (world) => {
        const all = await Promise.all(Array.from({ length: 4 }, () => runRight(world)));
        for (const one of all) assertEquals(warnings(one), []);
        const stored = world.proxy.seen.filter(({ method, path, status }) =>
          method === "PUT" && path.includes("/results/") && status === 200
        );
        assertEquals(stored.length, 3, "one manifest of each stage");
        assertEquals(new Set(stored.map(({ path }) => path)).size, 3);
        assertEquals(ended(await runRight(world)), every("restored"));
      },
    );

    await step("of different results of one key the first stays, and the others hear of it", async (world) => {
      const dice = "name: demo\nstages:\n  dice: { uses: ./misbehave.ts, with: { mode: random } }\n";
      const projects = [1, 2, 3].map(() => makeProject({ "p.yaml": dice }));
      const all = await Promise.all(projects.map((project) => world.run(project, ["--force", "dice"])));
      assertEquals(all.map(({ code }) => code), [0, 0, 0]);
      assertEquals(all.map((one) => warnings(one).length).sort(), [0, 1, 1]);
      const winner = projects[all.findIndex((one) => warnings(one).length === 0)]!;
      await using late = makeProject({ "p.yaml": dice });
      await world.run(late);
      assertEquals(await finalDigests(late, ["p.yaml"]), await finalDigests(winner, ["p.yaml"]));
      for (const project of projects) await project[Symbol.asyncDispose]();
    });

    await step("a service that ignores If-None-Match is warned of and used", async (world) => {
      world.proxy.decide = ({ headers }: Passed) => headers.delete("if-none-match");
      const first = await runRight(world);
      assertEquals(warnings(first).length, 1);
      assertStringIncludes(warnings(first)[0]!, "ignores If-None-Match");
      assertEquals(ended(await runRight(world)), every("restored"));
    });

    await step("Ctrl-C ends the wait for what is still to be sent, and the run is done", async (world) => {
      // Claims are answered, or the first would hold its stage until the service counts as away.
      world.proxy.decide = ({ method, path }) => method === "PUT" && path.includes("/objects/") ? "hang" : undefined;
      await using project = makeProject();
      await using running = world.start(project);
      await running.event(({ type, message }) => type === "note" && message.startsWith("sending "));
      running.signal("SIGINT");
      const outcome = await running.outcome();
      assertEquals(outcome.code, 0);
      assertEquals(outcome.events.at(-1).status, "done");
      assertEquals(
        outcome.events.findLast(({ type }) => type === "note").message,
        "3 results not sent to the shared cache",
      );
    });

    await step("large files are streamed both ways", async (world) => {
      const big = "name: demo\nstages:\n  big: { uses: ./big.ts }\n";
      const stage = `import { defineStage } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Writes 48 MB",
  params: z.strictObject({}),
  inputs: {},
  outputs: { out: { type: "files", description: "Numbers" } },
  async run({ outputs }) {
    await outputs.out.write("big", new Uint8Array(Uint32Array.from({ length: 12e6 }, (_, n) => n).buffer));
    await outputs.out.write("empty", new Uint8Array());
  },
});
`;
      const digests: Json[] = [];
      for (const state of ["ran", "restored"]) {
        await using project = makeProject({ "p.yaml": big, "big.ts": stage });
        const outcome = await world.run(project);
        assertEquals(ended(outcome), { big: state }, outcome.stdout);
        assertEquals(warnings(outcome), []);
        digests.push(await finalDigests(project, ["p.yaml"]));
      }
      assertEquals(digests[0], digests[1]);
    });
  },
});
