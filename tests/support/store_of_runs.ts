import { createHash } from "node:crypto";
import { join } from "node:path";

/** Stages of each run, each of which reads the one before; the third trains, the last has figures. */
const STAGES = [
  "data",
  "schedule",
  "train",
  "sample",
  "reference",
  "features",
  "classifier",
  "inpaint",
  "film",
  "evaluate",
];

const sha = (text: string) => createHash("sha256").update(text).digest("hex");

/**
 * Writes a store of finished runs, as runs leave it: their records, plans and curves, a manifest for each result with
 * its line in the index, and the figures of the last stage.
 */
export function writeStoreOfRuns(root: string, count: number): void {
  const write = (text: string, ...path: string[]) => {
    Deno.mkdirSync(join(root, ...path.slice(0, -1)), { recursive: true });
    Deno.writeTextFileSync(join(root, ...path), text);
  };
  const index: string[] = [];
  for (let i = 0; i < count; i++) {
    const began = Date.UTC(2026, 0, 1) + i * 3_600_000;
    const at = (ms: number) => new Date(began + ms).toISOString();
    const runId = `${at(0).replaceAll(/[-:.Z]/g, "")}-zzzz`;
    const manifests = STAGES.map((id) => {
      const key = sha(`${i} ${id}`);
      const metrics = JSON.stringify({
        format: 1,
        seed: 0,
        images: {},
        metrics: [{ name: "FID", value: 10 + i % 17, count: 1_000 }],
      });
      const file = { path: "metrics.json", size: metrics.length, sha256: sha(metrics) };
      if (id === "evaluate") write(metrics, "objects", file.sha256.slice(0, 2), file.sha256);
      const outputs = id === "evaluate" ? { metrics: { type: "metrics", digest: file.sha256, files: [file] } } : {};
      const ingredients = { kind: id, version: "1", seed: null, params: { size: i % 5 }, externals: {}, inputs: {} };
      const keys = { resolvedKey: key, recipeKey: key, identityKey: key, localKey: key };
      const manifest = { format: 1, ...keys, extent: null, ingredients, outputs, numerics: null, runId };
      write(`${JSON.stringify(manifest)}\n`, "results", key.slice(0, 2), `${key}.json`);
      index.push(`${JSON.stringify({ recipeKey: key, manifest })}\n`);
      return manifest;
    });
    const stages = manifests.map(({ resolvedKey, ingredients: { kind } }, k) => ({
      state: "ran",
      resolvedKey,
      startedAt: at(k * 1_000),
      durationMs: 900,
      fromStep: null,
      numerics: "onnx",
      message: null,
      ...kind === "train" ? { figures: { loss: { last: 0.04, lowest: 0.03, at: 900 } } } : {},
    }));
    const record = {
      ...{ format: 1, runId, pipeline: `pipeline-${i % 4}`, file: "p.yaml", overrides: [`train.size=${i % 5}`] },
      ...{ status: "done", startedAt: at(0), endedAt: at(10_000), pid: 1, host: "elsewhere", versions: {} },
      stages: Object.fromEntries(STAGES.map((id, k) => [id, stages[k]])),
    };
    const plan = STAGES.map((id, k) => ({
      ...{ id, kind: id, reads: STAGES.slice(Math.max(0, k - 1), k), state: "run", result: null },
      params: [{ path: "with.size", value: i % 5, origin: ["p.yaml:3:4"] }],
    }));
    write(JSON.stringify(record), "runs", runId, "run.json");
    write(JSON.stringify({ format: 1, stages: plan }), "runs", runId, "plan.json");
    const rows = Array.from(
      { length: 100 },
      (_, step) =>
        `${JSON.stringify({ step: step * 10, at: at(step), figures: { loss: 1 / (1 + step), gradNorm: 1 } })}\n`,
    );
    write(rows.join(""), "runs", runId, "figures", "train.jsonl");
  }
  write(index.join(""), "index.jsonl");
}

if (import.meta.main) writeStoreOfRuns(Deno.args[0]!, Number(Deno.args[1] ?? 500));
