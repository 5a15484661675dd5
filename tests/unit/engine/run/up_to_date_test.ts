import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { checkUpToDate, recordUpToDate } from "../../../../engine/run/up_to_date.ts";
import type { RunOptions } from "../../../../engine/run/run_options.ts";
import { runPipeline } from "../../../../engine/run/run_pipeline.ts";
import { PipelineLoader } from "../../../../engine/pipeline/load/pipeline_loader.ts";
import { Planner } from "../../../../engine/plan/planner.ts";
import { closeAppended } from "../../../../engine/store/files.ts";
import { isThere } from "../../../../engine/store/reading.ts";
import { LineTable } from "../../../../engine/store/line_table.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { numRuns } from "../../../support/seeds.ts";
import { filesBelow, makeTempFolder } from "../support/temp.ts";
import { TINY_KINDS } from "../support/tiny_kinds.ts";
import { mood } from "../support/tiny_run.ts";

const YAML = `name: p
stages:
  a: { uses: source, with: { file: data.txt } }
  b: { uses: mix, inputs: { one: a } }
  c: { uses: mix, inputs: { from: [a, b] }, with: { text: c } }
`;
const OTHER = "name: q\nstages:\n  a: { uses: source, with: { text: other } }\n";
const STAGES = 3;

/** Makes a folder with two pipelines, where each look is that of a new process. */
async function inPlace(use: (place: ReturnType<typeof placeAt>) => Promise<void>): Promise<void> {
  await using folder = await makeTempFolder();
  Deno.writeTextFileSync(join(folder.path, "data.txt"), "one");
  Deno.writeTextFileSync(join(folder.path, "p.yaml"), YAML);
  Deno.writeTextFileSync(join(folder.path, "q.yaml"), OTHER);
  await use(placeAt(folder.path));
}

function placeAt(folder: string) {
  const root = join(folder, ".noiseline");
  const lookAt = (file: string, overrides: readonly string[] = [], keptFolder = join(root, "cache")) => ({
    store: openStore(root),
    cache: new PipelineLoader(join(folder, file), {
      loadKinds: () => Promise.resolve(TINY_KINDS),
      keptFolder,
      toolkit: { digest: "toolkit", settled: true },
      overrides,
    }),
  });
  const load = async (cache: PipelineLoader) => {
    const loaded = await cache.load();
    assert(loaded.ok);
    return loaded.value;
  };
  return {
    root,
    at: (...names: string[]) => join(folder, ...names),
    /** Runs as the command does. */
    run: async (file = "p.yaml", overrides?: readonly string[], keptFolder?: string, options: RunOptions = {}) => {
      const { store, cache } = lookAt(file, overrides, keptFolder);
      const ended = await runPipeline(await load(cache), store, options);
      cache.keep();
      assert(ended.ok && ended.value.status === "done");
      recordUpToDate(cache, store, ended.value);
      return ended.value;
    },
    find: async (file = "p.yaml", overrides?: readonly string[], keptFolder?: string) => {
      const { store, cache } = lookAt(file, overrides, keptFolder);
      return (await checkUpToDate(cache, store))?.stages;
    },
    /** Returns the plan of the file itself. */
    plan: async (file = "p.yaml", overrides?: readonly string[]) => {
      const { store, cache } = lookAt(file, overrides);
      const made = Planner.make(await load(cache), store);
      return made.ok ? made.value.planIfCached()?.stages.size : undefined;
    },
  };
}

/** Counts how often lines of the index and of the views are looked up during the work. */
async function countLookups(work: () => Promise<unknown>): Promise<number> {
  const { find } = LineTable.prototype;
  let count = 0;
  LineTable.prototype.find = function (...args) {
    count++;
    return find.apply(this, args);
  };
  try {
    await work();
    return count;
  } finally {
    LineTable.prototype.find = find;
  }
}

Deno.test("what a run has reached, the next one knows without looking up results and views one by one", () =>
  inPlace(async ({ root, run, find }) => {
    await run();
    assertEquals(await countLookups(async () => assertEquals(await find(), STAGES)), 0);
    Deno.removeSync(join(root, "cache/done-p.json"));
    assert(await countLookups(async () => assertEquals(await find(), STAGES)) >= 2 * STAGES);
  }));

Deno.test("a store whose cache folder is gone has nothing to do all the same", () =>
  inPlace(async ({ root, at, run, find }) => {
    Deno.mkdirSync(at("kept"));
    await run("p.yaml", [], at("kept"));
    Deno.removeSync(join(root, "cache"), { recursive: true });
    assertEquals(await find("p.yaml", [], at("kept")), STAGES);
    assertEquals(isThere(join(root, "cache")), false);
  }));

const MOODY = `name: p
stages:
  a: { uses: source, with: { text: moody } }
  b: { uses: source, with: { text: moody } }
  c: { uses: mix, inputs: { one: a } }
  d: { uses: mix, inputs: { one: b }, with: { text: d } }
`;

for (
  const [what, reach] of Object.entries<(place: ReturnType<typeof placeAt>) => Promise<unknown>>({
    "replaced by its twin": ({ run }) => run("p.yaml", [], undefined, { force: new Set(["a"]), replace: true }),
    "made again because another stage needed it": ({ root, at, run }) => {
      const shown = Deno.readTextFileSync(at("outputs/p/a/value.txt"));
      const object = filesBelow(join(root, "objects")).find((path) => Deno.readTextFileSync(path) === shown)!;
      Deno.chmodSync(object, 0o644);
      // The same size, so that only reading the content reveals the change.
      Deno.writeTextFileSync(object, shown.replaceAll(/\d/g, "x"));
      return run("p.yaml", ["c.text=other"]);
    },
  })
) {
  Deno.test(`a run leaves nothing behind where what a cached stage reads was ${what}, with other bytes`, () =>
    inPlace(async (place) => {
      Deno.writeTextFileSync(place.at("p.yaml"), MOODY);
      mood.value = 0;
      await place.run();
      mood.value = 1;
      await reach(place);
      const overrides = what.startsWith("made") ? ["c.text=other"] : [];
      assertEquals([await place.find("p.yaml", overrides), await place.plan("p.yaml", overrides)], [
        undefined,
        undefined,
      ]);
    }));
}

Deno.test("a run leaves nothing behind where a result has no line in the index", () =>
  inPlace(async ({ root, run, find, plan }) => {
    await run();
    removeList(join(root, "cache/done-p.json"));
    const index = join(root, "index.jsonl");
    const lines = Deno.readTextFileSync(index).trim().split("\n");
    removeList(index);
    Deno.writeTextFileSync(index, `${lines[0]}\n`);
    assertEquals(await find(), STAGES);
    const { resolvedKey } = JSON.parse(lines[1]!).manifest;
    Deno.truncateSync(join(root, "results", resolvedKey.slice(0, 2), `${resolvedKey}.json`), 100);
    assertEquals([await find(), await plan()], [undefined, undefined]);
  }));

Deno.test("a run with nothing to do leaves the same behind for the next one", () =>
  inPlace(async ({ root, run, find }) => {
    await run();
    const done = join(root, "cache/done-p.json");
    const left = Deno.readTextFileSync(done);
    Deno.removeSync(done);
    assertEquals(await find(), STAGES);
    assertEquals(Deno.readTextFileSync(done), left);
  }));

const DAMAGES: Readonly<Record<string, (place: ReturnType<typeof placeAt>, pick: number) => void | Promise<unknown>>> =
  {
    "an object is gone": ({ root }, pick) => removeOne(join(root, "objects"), pick),
    "an object is cut": ({ root }, pick) => cutOne(join(root, "objects"), pick),
    "a manifest is gone": ({ root }, pick) => removeOne(join(root, "results"), pick),
    "a shown file is gone": ({ at }, pick) => removeOne(at("outputs/p"), pick),
    "a shown file is edited": ({ at }, pick) => cutOne(at("outputs/p"), pick),
    "a shown folder is gone": ({ at }) => Deno.removeSync(at("outputs/p/b"), { recursive: true }),
    "the index is gone": ({ root }) => removeList(join(root, "index.jsonl")),
    "the record of the views is gone": ({ root }) => removeList(join(root, "views/p.jsonl")),
    "the cache is gone": ({ root }) => Deno.removeSync(join(root, "cache"), { recursive: true }),
    "a file that a stage reads is edited": ({ at }, pick) => Deno.writeTextFileSync(at("data.txt"), `edit ${pick}`),
    "the pipeline is edited": ({ at }, pick) =>
      Deno.writeTextFileSync(at("p.yaml"), YAML.replace("text: c", `text: c${pick % 3}`)),
    "another pipeline ran": ({ run }) => run("q.yaml"),
    "the pipeline ran with another param": ({ run }, pick) => run("p.yaml", [`c.text=d${pick % 3}`]),
    "the record is torn": ({ root }, pick) => {
      const done = join(root, "cache/done-p.json");
      if (isThere(done)) Deno.truncateSync(done, pick % Deno.statSync(done).size);
    },
    "the record is another pipeline's": async ({ root, run }) => {
      await run("q.yaml");
      Deno.copyFileSync(join(root, "cache/done-q.json"), join(root, "cache/done-p.json"));
    },
  };

function pickOne(folder: string, pick: number): string {
  const files = filesBelow(folder).filter((path) => Deno.statSync(path).size > 0).sort();
  return files[pick % files.length]!;
}

/** Removes a list. The open file is closed first, because a new process would open it again. */
function removeList(path: string): void {
  closeAppended(path);
  Deno.removeSync(path);
}

function removeOne(folder: string, pick: number): void {
  Deno.removeSync(pickOne(folder, pick));
}

function cutOne(folder: string, pick: number): void {
  const path = pickOne(folder, pick);
  Deno.chmodSync(path, 0o644);
  Deno.truncateSync(path, Deno.statSync(path).size - 1);
}

for (const [what, damage] of Object.entries(DAMAGES)) {
  Deno.test(`whether there is nothing to do is what a plan says: ${what}`, () =>
    inPlace(async (place) => {
      await place.run();
      await damage(place, 1);
      const [found, planned] = [await place.find(), await place.plan()];
      // If there is no entry for the pipeline, nothing is known; else the two agree.
      if (found !== undefined || isThere(join(place.root, "cache"))) assertEquals(found ?? planned, planned);
      if (planned === undefined) assertEquals(found, undefined);
      await place.run();
      assertEquals([await place.find(), await place.plan()], [STAGES, STAGES]);
    }));
}

Deno.test("after any damages and runs, what is found is never more than a plan finds", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom("run", "look", ...Object.keys(DAMAGES)), fc.nat(1_000)), {
        minLength: 3,
        maxLength: 8,
      }),
      (steps) =>
        inPlace(async (place) => {
          await place.run();
          for (const [what, pick] of steps) {
            if (what === "run") await place.run();
            else if (what !== "look") {
              // A file that is already gone cannot be removed again.
              try {
                await DAMAGES[what]!(place, pick);
              } catch (error) {
                if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error;
              }
            }
            const found = await place.find();
            if (found !== undefined) assertEquals(found, await place.plan(), what);
          }
        }),
    ),
    { numRuns: numRuns(10) },
  ));
