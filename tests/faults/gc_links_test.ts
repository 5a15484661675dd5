import { assert, assertEquals } from "@std/assert";
import { cpSync, existsSync } from "node:fs";
import { join, relative } from "node:path";
import { openStore } from "../../engine/store/store.ts";
import { progressFolder, ProgressStore } from "../../engine/store/progress.ts";
import { collectGarbage } from "../../engine/upkeep/gc.ts";
import { runIn } from "../unit/engine/support/reach.ts";
import { makeTempFolder } from "../unit/engine/support/temp.ts";
import { timeIn } from "../support/clock.ts";

const YAML = "name: p\nstages:\n  a: { uses: source, with: { text: one } }\n  b: { uses: mix, inputs: { one: a } }\n";
const KEY = "5".repeat(64);
/** Names that have a meaning in some folder of the store, and one that has none. */
const NAMES = ["link", KEY, KEY.slice(0, 2), "any", "step-9"];

type Place = (outside: string, store: string) => string;
const TARGETS: Readonly<Record<string, Place>> = {
  folder: (outside) => outside,
  nothing: (outside) => join(outside, "absent"),
  "the store": (_, store) => store,
  "what changes by itself": () => "/proc/self",
};

/** Makes a store with something in each of its folders. */
async function fill(folder: string): Promise<void> {
  const { stages } = await runIn(folder, YAML);
  const store = openStore(join(folder, ".noiseline"));
  const results = Object.fromEntries([...stages].map(([id, { manifest }]) => [id, manifest!.resolvedKey]));
  store.tags.write("one", { format: 1, pipeline: "p", overrides: [], results });
  await new ProgressStore(progressFolder(store.paths.progress, KEY, "any"), 10).save(1, { state: Uint8Array.of(1) });
  Deno.mkdirSync(store.paths.downloads, { recursive: true });
  Deno.writeTextFileSync(join(store.paths.downloads, KEY), "fetched");
  Deno.removeSync(join(folder, "outputs"), { recursive: true });
}

function* foldersOf(folder: string): Generator<string> {
  yield folder;
  for (const { name, isDirectory } of Deno.readDirSync(folder)) if (isDirectory) yield* foldersOf(join(folder, name));
}

/** Fills a folder outside the store with folders nested as deeply as the deepest in a store. */
function layOutside(folder: string): string {
  for (const path of ["a", "a/b", `a/b/${KEY}`, "step-1", `${KEY.slice(0, 2)}/${KEY}/any/step-1`]) {
    Deno.mkdirSync(join(folder, path), { recursive: true });
    Deno.writeTextFileSync(join(folder, path, "file"), path);
  }
  return folder;
}

const listAll = (folder: string) =>
  [...foldersOf(folder)].flatMap((one) => [...Deno.readDirSync(one)].map(({ name }) => join(one, name)));

/**
 * Cleans up as if it were a year later, and keeps nothing.
 * @returns the error, if there was one
 */
async function clean(store: string): Promise<string | undefined> {
  const policy = { dryRun: false, keepRuns: 0, maxBytes: 0, olderThanMs: 0, nowMs: timeIn({ days: 365 }) };
  try {
    const report = await collectGarbage(openStore(store), policy);
    if (!report.ok) return report.diagnostics.map(({ message }) => message).join();
    return report.value.failed.map(({ path, message }) => `${path}: ${message}`).join() || undefined;
  } catch (error) {
    return `threw ${error instanceof Error ? error.stack : error}`;
  }
}

for (const [target, place] of Object.entries(TARGETS)) {
  Deno.test(`gc ends well beside a link to ${target} anywhere in the store, and follows none`, async () => {
    await using folder = await makeTempFolder();
    const model = join(folder.path, "model");
    Deno.mkdirSync(model);
    await fill(model);
    const outside = layOutside(join(folder.path, "outside"));
    const before = listAll(outside);
    const folders = [...foldersOf(join(model, ".noiseline"))].map((one) => relative(model, one));
    let tries = 0;
    const wrong: string[] = [];
    const attempt = async (name: string, change: (home: string) => void) => {
      tries++;
      // Each try has its own place, because the result of checking a folder is remembered.
      const home = join(folder.path, `${tries}`);
      cpSync(model, home, { recursive: true, preserveTimestamps: true });
      change(home);
      const trouble = await clean(join(home, ".noiseline"));
      if (trouble !== undefined) wrong.push(`${name}: ${trouble}`);
      assertEquals(listAll(outside), before, name);
      Deno.removeSync(home, { recursive: true });
    };
    for (const at of folders) {
      for (const name of NAMES) {
        await attempt(`${at}/${name}`, (home) => {
          const link = join(home, at, name);
          if (existsSync(link)) Deno.removeSync(link, { recursive: true });
          Deno.symlinkSync(place(outside, join(home, ".noiseline")), link);
        });
      }
    }
    assert(tries > 100);
    assertEquals(wrong, []);
  });
}
