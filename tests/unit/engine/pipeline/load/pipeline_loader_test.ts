import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { loadPipeline } from "../../../../../engine/pipeline/load/load_pipeline.ts";
import {
  type LoaderOptions,
  packPipeline,
  PipelineLoader,
} from "../../../../../engine/pipeline/load/pipeline_loader.ts";
import { diagnosticToJson, formatDiagnostic } from "../../../../../engine/diagnostic/format.ts";
import type { Diagnostic } from "../../../../../engine/diagnostic/diagnostic.ts";
import type { Pipeline } from "../../../../../engine/pipeline/pipeline.ts";
import { Planner } from "../../../../../engine/plan/planner.ts";
import type { BuiltinKind } from "../../../../../engine/contract/stage.ts";
import { openFreshStore } from "../../support/manifest.ts";
import { makeTempFolder } from "../../support/temp.ts";
import { TINY_KINDS } from "../../support/tiny_kinds.ts";

const BASE = "name: base\nvars: { text: x }\nstages:\n  a: { uses: source, with: { text: '${vars.text}' } }\n";
const TOP = [
  "name: p",
  "extends: ./base.yaml",
  "profiles:",
  "  other: { vars: { text: z } }",
  "stages:",
  "  b: { uses: mix, inputs: { one: a }, matrix: { v: [1, 2] }, with: { text: '${matrix.v}' } }",
  "  w: { uses: walk, inputs: { from: a }, with: { steps: 4 } }",
  "  c: { uses: mix, inputs: { from: [w@2, w] } }",
  "",
].join("\n").replace("'${matrix.v}'", "'v${matrix.v}'");

const SETTLED = { digest: "toolkit 1", settled: true };

/** Makes a folder with a pipeline, and a function that returns a new loader as a new process would have. */
async function inFolder(
  use: (look: (options?: Partial<LoaderOptions>) => PipelineLoader, folder: string) => Promise<void>,
): Promise<void> {
  await using folder = await makeTempFolder();
  await Deno.writeTextFile(join(folder.path, "base.yaml"), BASE);
  await Deno.writeTextFile(join(folder.path, "p.yaml"), TOP);
  const keptFolder = join(folder.path, "cache");
  await Deno.mkdir(keptFolder);
  const look = (options: Partial<LoaderOptions> = {}) =>
    new PipelineLoader(join(folder.path, "p.yaml"), {
      loadKinds: () => Promise.resolve(TINY_KINDS),
      keptFolder,
      toolkit: SETTLED,
      ...options,
    });
  await use(look, folder.path);
}

async function loadAndKeep(cache: PipelineLoader): Promise<Pipeline> {
  const loaded = await cache.load();
  if (!loaded.ok) throw new Error(loaded.diagnostics.map(({ message }) => message).join("\n"));
  cache.keep();
  return loaded.value;
}

/** Returns everything that defines a pipeline, as plain data. */
function essence(pipeline: Pipeline | undefined): unknown {
  return pipeline === undefined ? undefined : JSON.parse(JSON.stringify(packPipeline(pipeline)!, (key, value) => {
    // The facts that kinds report about outside files replace their functions, even if there are none.
    return key === "outside" ? undefined : value;
  }));
}

function keysOf(pipeline: Pipeline, folder: string): Record<string, string> {
  const planner = Planner.make(pipeline, openFreshStore(folder));
  assert(planner.ok);
  return Object.fromEntries([...pipeline.stages.keys()].map((id) => [id, planner.value.planAction(id).recipeKey]));
}

Deno.test("read() gives what load() gave, with the same keys, once it is kept", () =>
  inFolder(async (look, folder) => {
    assertEquals(await look().read(), undefined);
    const full = await loadAndKeep(look());
    const kept = await look().read();
    assertEquals(essence(kept), essence(full));
    assertEquals([...kept!.families], [...full.families]);
    assertEquals(keysOf(kept!, folder), keysOf(full, folder));
  }));

for (
  const [what, change] of Object.entries<
    (folder: string, options: Partial<LoaderOptions>) => void | Partial<LoaderOptions>
  >({
    "the file is edited": (folder) =>
      Deno.writeTextFileSync(join(folder, "p.yaml"), TOP.replace("steps: 4", "steps: 5")),
    "a file that it extends is edited": (folder) =>
      Deno.writeTextFileSync(join(folder, "base.yaml"), BASE.replace("text: x", "text: y")),
    "a file that it extends is gone": (folder) => Deno.removeSync(join(folder, "base.yaml")),
    "a param is overridden": () => ({ overrides: ["w.steps=6"] }),
    "a profile is laid over it": () => ({ profiles: ["other"] }),
    "the toolkit is another": () => ({ toolkit: { ...SETTLED, digest: "toolkit 2" } }),
  })
) {
  Deno.test(`read() knows nothing when ${what}`, () =>
    inFolder(async (look, folder) => {
      await loadAndKeep(look());
      const options = change(folder, {}) ?? {};
      assertEquals(await look(options).read(), undefined);
    }));
}

Deno.test("an entry that is torn at any length, or has any bit flipped, is a miss", () =>
  inFolder(async (look, folder) => {
    await loadAndKeep(look());
    const [entry] = [...Deno.readDirSync(join(folder, "cache"))].filter(({ name }) => name.startsWith("pipeline-"));
    const path = join(folder, "cache", entry!.name);
    const whole = await Deno.readFile(path);
    for (let length = 0; length < whole.length; length += 37) {
      await Deno.writeFile(path, whole.subarray(0, length));
      assertEquals(await look().read(), undefined);
    }
    for (let at = 0; at < whole.length; at += 41) {
      const flipped = whole.slice();
      flipped[at]! ^= 1;
      await Deno.writeFile(path, flipped);
      assertEquals(await look().read(), undefined);
    }
    await Deno.writeFile(path, whole);
    assertNotEquals(await look().read(), undefined);
  }));

Deno.test("an entry under the name of another is a miss", () =>
  inFolder(async (look, folder) => {
    await loadAndKeep(look());
    await loadAndKeep(look({ overrides: ["w.steps=6"] }));
    const names = [...Deno.readDirSync(join(folder, "cache"))].map(({ name }) => name);
    const [a, b] = names.filter((name) => name.startsWith("pipeline-")).map((name) => join(folder, "cache", name));
    const moved = Deno.readFileSync(a!);
    Deno.copyFileSync(b!, a!);
    Deno.writeFileSync(b!, moved);
    assertEquals(await look().read(), undefined);
    assertEquals(await look({ overrides: ["w.steps=6"] }).read(), undefined);
  }));

Deno.test("keep() keeps nothing of a toolkit that has just changed, nor where there is no store", () =>
  inFolder(async (look, folder) => {
    await loadAndKeep(look({ toolkit: { ...SETTLED, settled: false } }));
    assertEquals(await look().read(), undefined);
    await loadAndKeep(look({ keptFolder: join(folder, "none") }));
    assertEquals([...Deno.readDirSync(folder)].some(({ name }) => name === "none"), false);
  }));

Deno.test("a pipeline with warnings is kept, and they are said each time at the same places", () =>
  inFolder(async (look) => {
    // Problems in the file itself, in the file that it extends, in a var from there, and without a place.
    const places = [["text"], ["steps"], undefined] as const;
    const check: NonNullable<BuiltinKind["check"]> = (params) => ({
      problems: places.filter((one) => one === undefined || Object.hasOwn(params, one[0])).map((param) => ({
        ...{
          severity: "warning" as const,
          message: "doubtful, \u2028 or not",
          got: "source: 0",
          wanted: "7",
          fix: "none",
        },
        ...param === undefined ? {} : { param },
      })),
    });
    const kinds = Object.fromEntries(Object.entries(TINY_KINDS).map(([name, kind]) => [name, { ...kind, check }]));
    const loadKinds = () => Promise.resolve(kinds);
    const cache = look({ loadKinds });
    const loaded = await cache.load();
    assert(loaded.ok);
    const files = new Set(loaded.warnings.map(({ span }) => span?.source.name.replace(/.*\//, "")));
    assertEquals(files, new Set(["p.yaml", "base.yaml"]));
    cache.keep();
    const again = look();
    assertEquals(essence(await again.read()), essence(loaded.value));
    const say = (warnings: readonly Diagnostic[]) =>
      warnings.map((one) => [formatDiagnostic(one), diagnosticToJson(one)]);
    assertEquals(say(again.warnings), say(loaded.warnings));
    assertEquals(say(cache.warnings), say(loaded.warnings));
    assertEquals(look().warnings, []);
  }));

const CUSTOM = "name: p\nstages:\n  a: { uses: ./stage.ts }\n";
const stageOf = (imported: string) =>
  `import { defineStage } from "noiseline";
import { z } from "zod";
${imported}
export default defineStage({
  summary: String(part),
  params: z.strictObject({}),
  inputs: {},
  outputs: { out: { type: "files", description: "" } },
  run: () => {},
});
`;

/** Makes a folder whose one stage has this import. Its code counts as old enough to be unchanged. */
async function inCustomFolder(
  imported: string,
  use: (look: () => PipelineLoader, folder: string) => Promise<void>,
): Promise<void> {
  const now = Date.now;
  Date.now = () => now() + 60_000;
  try {
    await inFolder(async (look, folder) => {
      await Deno.mkdir(join(folder, "parts"));
      await Deno.writeTextFile(join(folder, "parts/a.ts"), 'export default "a";\n');
      await Deno.writeTextFile(join(folder, "stage.ts"), stageOf(imported));
      await Deno.writeTextFile(join(folder, "p.yaml"), CUSTOM);
      await use(look, folder);
    });
  } finally {
    Date.now = now;
  }
}

/** Returns the version that planning uses for the code of a stage: the kept one if it is known, else the loaded one. */
async function codeNow(look: () => PipelineLoader): Promise<string> {
  return (await look().read() ?? await loadAndKeep(look())).stages.get("a")!.kind.version;
}

Deno.test("the code of a stage whose imports are written out is known without loading it, until one is edited", () =>
  inCustomFolder('const { default: part } = await import("./parts/a.ts");', async (look, folder) => {
    const before = await codeNow(look);
    assertEquals((await look().read())?.stages.get("a")?.kind.version, before);
    await Deno.writeTextFile(join(folder, "parts/a.ts"), 'export default "b";\n');
    assertEquals(await look().read(), undefined);
  }));

Deno.test("a module that a computed import may load is in the code as soon as it is there", () =>
  inCustomFolder(
    'const name: string = "b";\nconst part = await import(`./parts/${name}.ts`).then((all) => all.default, () => "none");',
    async (look, folder) => {
      const seen = [await codeNow(look)];
      await Deno.writeTextFile(join(folder, "parts/b.ts"), 'export default "b";\n');
      seen.push(await codeNow(look));
      await Deno.writeTextFile(join(folder, "parts/b.ts"), 'export default "c";\n');
      seen.push(await codeNow(look));
      await Deno.remove(join(folder, "parts/b.ts"));
      assertEquals(new Set(seen).size, 3);
      assertEquals(await codeNow(look), seen[0]);
    },
  ));

Deno.test("whatever is edited, overridden, torn or taken back: read() is never another pipeline than load()", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("top" as const), steps: fc.integer({ min: 3, max: 5 }) }),
    fc.record({ do: fc.constant("base" as const), text: fc.constantFrom("x", "y") }),
    fc.record({ do: fc.constant("tear" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ do: fc.constant("swap" as const) }),
    fc.record({
      do: fc.constant("look" as const),
      override: fc.option(fc.constantFrom("w.steps=6", "vars.text=q"), { nil: undefined }),
      profile: fc.boolean(),
      toolkit: fc.constantFrom("toolkit 1", "toolkit 2"),
    }),
  );
  return fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), (steps) =>
      inFolder(async (look, folder) => {
        const entries = () =>
          [...Deno.readDirSync(join(folder, "cache"))].map(({ name }) => join(folder, "cache", name)).sort();
        for (const one of steps) {
          if (one.do === "top") {
            await Deno.writeTextFile(join(folder, "p.yaml"), TOP.replace("steps: 4", `steps: ${one.steps}`));
          } else if (one.do === "base") {
            await Deno.writeTextFile(join(folder, "base.yaml"), BASE.replace("text: x", `text: ${one.text}`));
          } else if (one.do === "tear") {
            for (const path of entries()) {
              const whole = Deno.readFileSync(path);
              Deno.writeFileSync(path, whole.subarray(0, Math.floor(whole.length * one.share)));
            }
          } else if (one.do === "swap") {
            const [a, b] = entries();
            if (a !== undefined && b !== undefined) Deno.copyFileSync(a, b);
          } else {
            const options = {
              overrides: one.override === undefined ? [] : [one.override],
              profiles: one.profile ? ["other"] : [],
              toolkit: { digest: one.toolkit, settled: true },
            };
            const kept = await look(options).read();
            const file = join(folder, "p.yaml");
            const full = await loadPipeline(file, { kinds: TINY_KINDS, ...options });
            assert(full.ok);
            if (kept !== undefined) assertEquals(essence(kept), essence(full.value));
            await loadAndKeep(look(options));
          }
        }
      })),
    { numRuns: 25 },
  );
});
