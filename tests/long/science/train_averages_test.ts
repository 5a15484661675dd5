import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { readCheckpoint } from "../../../artifacts/checkpoint.ts";
import { evaluateKind, exportKind, inpaintKind, interpolateKind } from "../../support/builtin_kinds.ts";
import { sampleKind, trainKind } from "../../support/builtin_kinds.ts";
import { digests, MemoryProgress, runStage } from "../../support/stage_context.ts";
import { smallWorld, trainSmall, withFolder } from "../../unit/stages/small_world.ts";

const OTHERS = { slow: 0.99, fast: 0.5 };

Deno.test("a training keeps each average that it is asked for, and goes on after a stop to the same bytes", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const recipe = { adam: { weightDecay: 0.1 }, learningRateDecay: { shape: "cosine", until: 5, floor: 0 } };
    const train = (steps: number, options = {}, others = {}) =>
      trainSmall(folder, world, { params: { ...recipe, steps, ema: { warmup: false, ...others } }, ...options });
    const plain = digests(await train(6));
    const straight = await train(6, {}, { others: OTHERS });
    const { "checkpoint/config.json": _, ...files } = digests(straight);
    // The other averages change nothing else.
    for (const [name, digest] of Object.entries(plain)) {
      if (name !== "checkpoint/config.json") assertEquals(files[name], digest, name);
    }
    assertEquals(Object.keys(files).filter((name) => !(name in plain)).sort(), [
      "checkpoint/ema-fast.safetensors",
      "checkpoint/ema-slow.safetensors",
    ]);
    const progress = new MemoryProgress();
    await train(3, { progress }, { others: OTHERS });
    // The order of the names is in no key, so that it must change no byte.
    const { slow, fast } = OTHERS;
    assertEquals(digests(await train(6, { progress }, { others: { fast, slow } })), digests(straight));

    // One step of averages without warmup copies the weights; the second mixes in the next ones by the decay.
    const [one, two] = [await train(1, {}, { others: OTHERS }), await train(2, {}, { others: OTHERS })];
    const weightsOf = async ({ outputs }: typeof one, name: string) =>
      (await readCheckpoint(outputs["checkpoint"]!, name, [])).params;
    const [before, after] = [await weightsOf(one, "raw"), await weightsOf(two, "raw")];
    for (const [name, decay] of Object.entries(OTHERS)) {
      assertEquals(await weightsOf(one, name), before, name);
      const d = Math.fround(decay);
      const wanted = before.map((x, i) => Math.fround(x * d) + Math.fround(after[i]! * Math.fround(1 - d)));
      assertEquals(await weightsOf(two, name), wanted, name);
    }
  });
});

Deno.test("sample uses the average that weights names, and a run refuses a name that the checkpoint lacks", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const { outputs: { checkpoint } } = await trainSmall(folder, world, {
      params: { steps: 6, learningRate: 0.1, ema: { warmup: false, others: OTHERS } },
    });
    const sample = (weights: string) =>
      runStage(folder, sampleKind, {
        params: { count: 4, batchSize: 4, sampler: { name: "ddim", steps: 2 }, weights },
        inputs: { checkpoint: checkpoint! },
      });
    const drawn = await Promise.all(
      ["raw", "ema", "fast", "slow"].map(async (weights) => digests(await sample(weights))),
    );
    assertEquals(new Set(drawn.map((files) => files["samples/images.safetensors"])).size, 4);
    const { end } = await sample("quick");
    assertMatch(JSON.stringify(end), /no weights of this name: got quick, wanted ema, raw, fast, slow/);
  });
});

const KINDS = {
  evaluate: [evaluateKind, {}],
  export: [exportKind, { format: "diffusers" }],
  inpaint: [inpaintKind, {}],
  interpolate: [interpolateKind, { timestep: 10 }],
  sample: [sampleKind, { count: 1 }],
} as const;

for (const [name, [kind, given]] of Object.entries(KINDS)) {
  Deno.test(`${name} refuses weights that the training does not make, before anything runs`, () => {
    const images = { count: 100, height: 8, width: 8, channels: 1 };
    const schedule = { timesteps: 50, betas: "ldm/cosine" };
    const trained = trainKind.check!(
      trainKind.params.parse({
        ...{ steps: 1, batchSize: 8, model: { channels: 8, multipliers: [1], attention: [] } },
        ema: { others: OTHERS },
      }),
      { images, schedule },
    );
    assertEquals(trained.problems, []);
    const problems = (weights: string) => {
      const params = (kind as typeof sampleKind).params.parse({ ...given, weights });
      const inputs = { checkpoint: trained.facts!["checkpoint"]!, images };
      return (kind as typeof sampleKind).check!(params, inputs).problems
        .filter(({ param }) => param?.[0] === "weights");
    };
    assertEquals([...problems("fast"), ...problems("ema"), ...problems("raw")], []);
    const [problem] = problems("fest");
    assertNotEquals(problem, undefined);
    assertEquals([problem!.got, problem!.wanted], ["fest", "ema, raw, slow, fast"]);
    assertMatch(problem!.fix!, /did you mean "fast"\?/);
  });
}

for (const name of ["ema", "raw", "Fast", "a b", "../x", ""]) {
  Deno.test(`an average cannot be called ${JSON.stringify(name)}`, () => {
    const parsed = trainKind.params.safeParse({ steps: 1, ema: { others: { [name]: 0.9 } } });
    assertEquals(parsed.success, false);
  });
}
