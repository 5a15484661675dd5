import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { artifactDigest } from "../../engine/keys/keys.ts";
import { openStore, type Store } from "../../engine/store/store.ts";
import type { ResultManifest } from "../../schemas/records.ts";
import { measure, median } from "./measure.ts";
import { pipelineOf, SHAPES, sweepOf } from "./shapes.ts";

const CLI = fileURLToPath(import.meta.resolve("./cli.ts"));

/** Figures of our own that have no like in other tools, as rows of a table. */
export async function measureExtras(
  root: string,
  { tries, quick }: { readonly tries: number; readonly quick: boolean },
): Promise<string[][]> {
  const rows = [["what", "time", "peak memory"]];
  const run = async (what: string, folder: string, args: readonly string[]) => {
    const found = [];
    for (let i = 0; i < tries; i++) {
      found.push((await measure({ program: Deno.execPath(), args: ["run", "-A", CLI, ...args] }, folder))!);
    }
    const peak = Math.max(...found.map(({ peakMegabytes }) => peakMegabytes));
    rows.push([what, `${median(found.map((one) => one.seconds)).toFixed(3)} s`, `${peak.toFixed(0)} MB`]);
  };

  const size = quick ? 1_000 : 10_000;
  const matrix = await makeProject(join(root, "matrix"), sweepOf(size));
  await run(`first plan of a matrix of ${size} stages`, matrix, ["plan", "pipeline.yaml"]);

  const files = quick ? 10_000 : 100_000;
  const folder = await makeProject(join(root, "files"), FOLDER_PIPELINE);
  await writeFiles(join(folder, "images"), files);
  const once = { program: Deno.execPath(), args: ["run", "-A", CLI, "run", "pipeline.yaml"] };
  const first = (await measure(once, folder))!;
  rows.push([`first run over a folder of ${files} files`, `${first.seconds.toFixed(3)} s`, ""]);
  await run(`no-op over a folder of ${files} files`, folder, ["run", "pipeline.yaml"]);

  const results = quick ? 10_000 : 100_000;
  const store = await makeProject(join(root, "store"), pipelineOf(SHAPES["chains"]!(100)));
  await measure(once, store);
  await run("no-op of 100 stages, 100 results in the store", store, ["run", "pipeline.yaml"]);
  fillStore(openStore(join(store, ".noiseline")), results);
  await measure(once, store);
  await run(`no-op of 100 stages, ${results} results in the store`, store, ["run", "pipeline.yaml"]);

  return rows;
}

/** A folder with a pipeline and a store of its own. */
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

/** Small files in folders of a thousand, old enough to be trusted by their facts. */
async function writeFiles(folder: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    if (i % 1_000 === 0) await Deno.mkdir(join(folder, String(i / 1_000)), { recursive: true });
    Deno.writeTextFileSync(join(folder, String(Math.floor(i / 1_000)), `${i}.png`), String(i));
  }
  await new Promise((resolve) => setTimeout(resolve, 2_500));
}

const key = (text: string) => createHash("sha256").update(text).digest("hex");

/**
 * Give a store the results of many other stages: manifests and index lines as the store writes them, without the flushes
 * that would make this take an hour.
 */
function fillStore(store: Store, count: number): void {
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const files = [{ path: "value.txt", size: 5, sha256: key(`object ${i}`) }];
    const manifest: ResultManifest = {
      format: 1,
      resolvedKey: key(`resolved ${i}`),
      recipeKey: key(`recipe ${i}`),
      identityKey: key(`identity ${i}`),
      localKey: key(`local ${i}`),
      extent: null,
      ingredients: { kind: "other", version: "other/1", seed: null, params: { value: i }, externals: {}, inputs: {} },
      outputs: { out: { type: "files", digest: artifactDigest("files", files), files } },
      numerics: null,
      runId: "bench",
    };
    const path = store.results.manifestPath(manifest.resolvedKey);
    Deno.mkdirSync(dirname(path), { recursive: true });
    Deno.writeTextFileSync(path, `${JSON.stringify(manifest)}\n`);
    lines.push(`${JSON.stringify({ recipeKey: manifest.recipeKey, manifest })}\n`);
  }
  Deno.writeTextFileSync(join(store.root, "index.jsonl"), lines.join(""), { append: true });
}
