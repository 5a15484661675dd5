import { sha256Of } from "../../../../engine/store/reading.ts";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import fc from "fast-check";
import { openSubmission, type TrustedSubmission, writeSubmission } from "../../../../engine/cluster/submission.ts";
import { prepareAction, readAction } from "../../../../engine/cluster/job_action.ts";
import { FolderBackend } from "../../../../engine/store/cache/folder_backend.ts";
import { SharedCache } from "../../../../engine/store/cache/shared_cache.ts";
import { type Diagnostic, type Result, succeed } from "../../../../engine/diagnostic/diagnostic.ts";
import { actionsOf } from "../../../../engine/keys/action.ts";
import { keysOfActions } from "../../../../engine/keys/keys.ts";
import { digestExternals } from "../../../../engine/keys/externals.ts";
import type { Pipeline } from "../../../../engine/pipeline/pipeline.ts";
import { Planner } from "../../../../engine/plan/planner.ts";
import type { Stage } from "../../../../engine/keys/stage.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { Digests } from "../../../../engine/store/digests.ts";
import { loadGood } from "../support/load.ts";
import { makeTempFolder } from "../support/temp.ts";
import { TINY_KINDS } from "../support/tiny_kinds.ts";

const YAML = `name: demo
stages:
  one: { uses: source, with: { text: a, file: data } }
  two: { uses: mix, inputs: { one: one }, with: { text: b } }
  three: { uses: mix, inputs: { from: [one, two] }, needs: other, resources: { cpu: 2 }, seed: 7 }
  other: { uses: source }
`;

function good<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.diagnostics.map(({ message }) => message).join("\n"));
  return result.value;
}

function problemOf(result: Result<unknown>): string {
  return result.ok ? "none" : result.diagnostics.map(({ message }: Diagnostic) => message).join("\n");
}

function keysOf(pipeline: Pipeline, digests: Digests): Map<string, string> {
  const keys = keysOfActions(actionsOf(pipeline.stages.values()), digestExternals(pipeline, digests).externals);
  return new Map([...keys].map(([id, { recipeKey }]) => [id, recipeKey]));
}

/** Both steps of a job's preparation. */
async function prepare(
  opened: TrustedSubmission,
  line: number,
  folder: string,
  world: Pick<World, "kinds" | "digests">,
) {
  const { signal: stop } = new AbortController();
  const cache = new SharedCache(new FolderBackend(opened.cache), "read", { name: "c", stop, warn: () => {} });
  const action = await readAction(opened, line, openStore(join(folder, "store")), cache);
  if (!action.ok) return action;
  const prepared = await prepareAction(opened, action.value, folder, world);
  return prepared.ok ? succeed({ ...action.value, ...prepared.value }) : prepared;
}

class World implements AsyncDisposable {
  readonly digests: Digests;
  readonly kinds = TINY_KINDS;

  private constructor(readonly folder: Awaited<ReturnType<typeof makeTempFolder>>) {
    this.digests = new Digests(join(folder.path, "digests"));
  }

  static async make(): Promise<World> {
    const world = new World(await makeTempFolder());
    Deno.mkdirSync(world.path("data", "deep"), { recursive: true });
    Deno.writeTextFileSync(world.path("data", "a.txt"), "a");
    Deno.writeTextFileSync(world.path("data", "deep", "b.txt"), "b");
    return world;
  }

  path(...names: string[]): string {
    return join(this.folder.path, ...names);
  }

  async write(pipeline: Pipeline, stages: readonly string[]) {
    const needs = { cpus: 1, gpus: 0, options: [] };
    return good(
      await writeSubmission({
        pipeline,
        parts: stages.map((id) => ({ stages: [id], children: null, needs, after: [] })),
        cache: this.path("shared"),
        externals: digestExternals(pipeline, this.digests).externals,
        digests: this.digests,
        cluster: "lab",
        settings: { setup: [], deno: "/deno", packages: "/packages", restarts: 5, helper: needs },
        grants: [],
        versions: {},
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}

Deno.test("a submission holds the stages that run and those that they read, each whole and with its key", async () => {
  await using world = await World.make();
  const pipeline = await loadGood(world.folder.path, YAML);
  const { folder, digest } = await world.write(pipeline, ["three"]);
  const opened = good(openSubmission(folder, digest));
  assertEquals(opened.head.stages.map(({ id }) => id), ["one", "two", "three"]);
  assertEquals(opened.head.parts[0]!.lines, [2]);
  const keys = keysOf(pipeline, world.digests);
  for (const { id, recipeKey } of opened.head.stages) assertEquals(recipeKey, keys.get(id));
  // The files that were read are now in the cache.
  Deno.removeSync(world.path("data"), { recursive: true });
  for (const [line, id] of ["one", "two", "three"].entries()) {
    const prepared = good(await prepare(opened, line, world.path(`node${line}`), world));
    assertEquals([prepared.id, [...prepared.pipeline.stages.keys()]], [id, [id]]);
    const stage = prepared.pipeline.stages.get(id)!;
    const { kind: _kind, ...was } = pipeline.stages.get(id)!;
    const { kind: _kind2, ...is } = stage;
    if (id === "one") assertEquals(Deno.readTextFileSync(join(stage.params["file"] as string, "deep", "b.txt")), "b");
    const plain = (value: object) => JSON.parse(JSON.stringify({ ...value, params: {}, needs: [] }));
    assertEquals(plain(is), plain(was));
  }
});

Deno.test("stages with any params that a pipeline may have come back with their keys", async () => {
  await using world = await World.make();
  const pipeline = await loadGood(world.folder.path, YAML);
  let count = 0;
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue(), { maxKeys: 5 }), async (params) => {
      const two = { ...pipeline.stages.get("two")!, params };
      const changed = { ...pipeline, stages: new Map([...pipeline.stages, ["two", two]]) };
      const { folder, digest } = await world.write(changed, ["two"]);
      const prepared = good(
        await prepare(good(openSubmission(folder, digest)), 1, world.path(`node-${count++}`), world),
      );
      assertEquals(prepared.pipeline.stages.get("two")!.params, JSON.parse(JSON.stringify(params)));
    }),
    { numRuns: 40 },
  );
});

Deno.test("params that JSON cannot carry are refused, and no head is written", async () => {
  await using world = await World.make();
  const pipeline = await loadGood(world.folder.path, YAML);
  // This param is in no key, so nothing has converted it to text before.
  const two = { ...pipeline.stages.get("two")!, params: { fail: NaN } };
  const changed = { ...pipeline, stages: new Map([...pipeline.stages, ["two", two]]) };
  const written = await world.write(changed, ["two"]).catch((error) => error.message);
  assertStringIncludes(written, 'stage "two" cannot be sent to a cluster');
});

Deno.test("of a head that was changed nothing is believed", async () => {
  await using world = await World.make();
  const pipeline = await loadGood(world.folder.path, YAML);
  const { folder, digest, head: submission } = await world.write(pipeline, ["three"]);
  const path = join(folder, "submission.json");
  const write = (head: unknown) => Deno.writeTextFileSync(path, `${JSON.stringify(head)}\n`);
  write({ ...submission, cluster: "other" });
  assertStringIncludes(problemOf(openSubmission(folder, digest)), "not the one that was submitted");
  // Commands that only look at a submission check no digest, but still follow no path outside.
  assertEquals(good(openSubmission(folder)).digest, undefined);
  const [first, ...rest] = submission.stages;
  const hostile: Record<string, unknown> = {
    "an id that leads out": { ...submission, stages: [{ ...first, id: "../../x" }, ...rest] },
    "an id of dots": { ...submission, stages: [{ ...first, id: ".." }, ...rest] },
    "a line that is not there": { ...submission, parts: [{ ...submission.parts[0], lines: [3] }] },
    "children without lines": { ...submission, parts: [{ ...submission.parts[0], children: [0, 1] }] },
    "a part after itself": { ...submission, parts: [{ ...submission.parts[0], after: [0] }] },
    "a line of a gigabyte": { ...submission, stages: [{ ...first, length: 2 ** 30 }, ...rest] },
    "another's name": { ...submission, id: "other" },
    "another format": { ...submission, format: 2 },
    "no head": null,
  };
  for (const [name, head] of Object.entries(hostile)) {
    write(head);
    assertStringIncludes(problemOf(openSubmission(folder)), "it is damaged", name);
    assertEquals(openSubmission(folder, sha256Of(Deno.readFileSync(path))).ok, false, name);
  }
  Deno.removeSync(path);
  assertStringIncludes(problemOf(openSubmission(folder, digest)), "it is not there");
  await new Deno.Command("mkfifo", { args: [path] }).output();
  assertStringIncludes(problemOf(openSubmission(folder, digest)), "cannot be read");
});

Deno.test("a stage or file that was changed in the cache is not executed", async () => {
  await using world = await World.make();
  const pipeline = await loadGood(world.folder.path, YAML);
  const { folder, digest } = await world.write(pipeline, ["three"]);
  const opened = good(openSubmission(folder, digest));
  const lines = join(folder, "stages.jsonl");
  const text = Deno.readTextFileSync(lines);
  Deno.writeTextFileSync(lines, text.replace('"text":"b"', '"text":"c"'));
  assertStringIncludes(problemOf(await prepare(opened, 1, world.path("n1"), world)), "not what was submitted");
  // Another stage's line is as it was; what it reads goes by the keys in the head.
  good(await prepare(opened, 2, world.path("n5"), world));
  Deno.writeTextFileSync(lines, text);
  good(await prepare(opened, 2, world.path("n2"), world));
  const object = world.path("shared/v1/objects", sha256Of("b").slice(0, 2), sha256Of("b"));
  Deno.writeTextFileSync(object, "c");
  assertStringIncludes(problemOf(await prepare(opened, 0, world.path("n3"), world)), "not whole in the shared cache");
  Deno.removeSync(object);
  Deno.symlinkSync("/dev/zero", object);
  assertStringIncludes(problemOf(await prepare(opened, 0, world.path("n4"), world)), "not whole in the shared cache");
});

Deno.test("another version of a kind is refused with its reason", async () => {
  await using world = await World.make();
  const pipeline = await loadGood(world.folder.path, YAML);
  const { folder, digest } = await world.write(pipeline, ["other"]);
  const opened = good(openSubmission(folder, digest));
  const kinds = { ...TINY_KINDS, source: { ...TINY_KINDS["source"]!, version: 2 } };
  const prepared = await prepare(opened, 0, world.path("n1"), { kinds, digests: world.digests });
  assertStringIncludes(problemOf(prepared), "noiseline on this node is not the one that submitted");
});

Deno.test("the job of a shard is given the inputs of its stage, and the job that joins shards is given these, too", async () => {
  await using world = await World.make();
  const pipeline = await loadGood(world.folder.path, YAML);
  const { three, ...rest } = Object.fromEntries(pipeline.stages) as Record<string, Stage>;
  const stages = [...Object.values(rest), { ...three!, shards: 2 }];
  const sharded = { ...pipeline, stages: new Map(stages.map((stage) => [stage.id, stage])) };
  const { folder, digest } = await world.write(sharded, ["three~1of2", "three"]);
  const opened = good(openSubmission(folder, digest));
  assertEquals(opened.head.stages.map(({ id }) => id), ["one", "two", "three~1of2", "three~2of2", "three"]);
  assertEquals(opened.head.stages[4]!.recipeKey, keysOf(pipeline, world.digests).get("three"));
  const planned = async (line: number) => {
    const { pipeline, id, ...own } = good(await prepare(opened, line, world.path(`n${line}`), world));
    const planner = good(Planner.make(pipeline, openStore(world.path("store")), { targets: [id], ...own }));
    return [[...own.given.keys()], [...(await planner.plan()).actions.keys()]];
  };
  assertEquals(await planned(2), [["one", "two"], ["three~1of2"]]);
  assertEquals(await planned(4), [["one", "two", "three~1of2", "three~2of2"], ["three"]]);
});
