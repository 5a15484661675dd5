import { dirname, join } from "node:path";
import { sha256Of as key } from "../../../engine/store/reading.ts";
import { openStore, type Store } from "../../../engine/store/store.ts";
import type { ResultManifest } from "../../../schemas/records.ts";
import { OURS } from "./engine_peers.ts";
import { measure, median } from "./measure.ts";
import { pipelineOf, SHAPES, sweepOf } from "./shapes.ts";

/**
 * Measures figures of our engine that other tools do not have, and returns them as rows of a table.
 * @param max stages of the largest graph, a multiple of 100; there are ten times as many files and results
 */
export async function measureExtras(root: string, { tries, max }: Readonly<Record<"tries" | "max", number>>) {
  const rows = [["what", "time", "peak memory"]];
  const run = async (what: string, folder: string, call = OURS.run) => {
    const found = [];
    for (let i = 0; i < tries; i++) found.push((await measure(call, folder))!);
    const peak = Math.max(...found.map(({ peakMegabytes }) => peakMegabytes));
    rows.push([what, `${median(found.map((one) => one.seconds)).toFixed(3)} s`, `${peak.toFixed(0)} MB`]);
  };

  const matrix = await makeProject(join(root, "matrix"), sweepOf(max));
  await run(`first plan of a matrix of ${max} stages`, matrix, { ...OURS.run, args: OURS.run.args.with(-2, "plan") });

  const many = 10 * max;
  const folder = await makeProject(join(root, "files"), FOLDER_PIPELINE);
  await writeFiles(join(folder, "images"), many);
  const first = (await measure(OURS.run, folder))!;
  rows.push([`first run over a folder of ${many} files`, `${first.seconds.toFixed(3)} s`, ""]);
  await run(`no-op over a folder of ${many} files`, folder);

  const store = await makeProject(join(root, "store"), pipelineOf(SHAPES["chains"]!(100)));
  await measure(OURS.run, store);
  await run("no-op of 100 stages, 100 results in the store", store);
  fillStore(openStore(join(store, ".noiseline")), many);
  await measure(OURS.run, store);
  await run(`no-op of 100 stages, ${many} results in the store`, store);

  return rows;
}

/** Makes a folder with a pipeline and its own store. */
export async function makeProject(folder: string, pipeline: string): Promise<string> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "deno.json"), "{}");
  await Deno.writeTextFile(join(folder, "pipeline.yaml"), pipeline);
  return folder;
}

const FOLDER_PIPELINE = `name: files
stages:
  data: { uses: bench-stage, with: { value: 1, folder: ./images } }
`;

/**
 * Writes small files in folders of a thousand, old enough that their size and times count as proof that they are
 * unchanged.
 */
async function writeFiles(folder: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    if (i % 1_000 === 0) await Deno.mkdir(join(folder, String(i / 1_000)), { recursive: true });
    Deno.writeTextFileSync(join(folder, String(Math.floor(i / 1_000)), `${i}.png`), String(i));
  }
  await new Promise((resolve) => setTimeout(resolve, 2_500));
}

/**
 * Gives a store the results of many other stages, copied from one that it has: manifests and index lines as the store
 * writes them, but without the flushes, which would make this take an hour.
 */
function fillStore(store: Store, count: number): void {
  const { outputs, ingredients, ...sample } = store.results.byResolved(store.results.keys()[0]!)!;
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const names = ["resolvedKey", "recipeKey", "identityKey", "localKey"] as const;
    const manifest: ResultManifest = {
      ...sample,
      ...Object.fromEntries(names.map((name) => [name, key(`${name} ${i}`)])),
      ingredients: { ...ingredients, kind: "other" },
      outputs: { out: { ...outputs["out"]!, digest: key(`output ${i}`) } },
    };
    const path = store.results.manifestPath(manifest.resolvedKey);
    Deno.mkdirSync(dirname(path), { recursive: true });
    Deno.writeTextFileSync(path, `${JSON.stringify(manifest)}\n`);
    lines.push(`${JSON.stringify({ recipeKey: manifest.recipeKey, manifest })}\n`);
  }
  Deno.writeTextFileSync(join(store.root, "index.jsonl"), lines.join(""), { append: true });
}
