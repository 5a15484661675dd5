import { z } from "zod";
import { readCheckpointFacts } from "../../artifacts/facts.ts";
import { defineKind } from "../../engine/contract/stage.ts";
import { samplerParams } from "../../science/diffusion/samplers.ts";
import { ownable } from "../../schemas/definitions.ts";
import { sampleKind } from "../sample/kind.ts";
import { positiveInt, weightsParam } from "../shared/common_params.ts";
import { decoderInput, problemsOf } from "../shared/checks.ts";
import { findStageDevice } from "../shared/device.ts";

/** The params of `sample` that a demo does not set. */
const SAMPLED = sampleKind.params.parse({ count: 1 });

export const demoKind = defineKind({
  kind: "demo",
  version: 6,
  entry: import.meta.resolve("./run.ts"),
  browser: import.meta.resolve("./browser/toolkit.ts"),
  summary: "Write an interactive sampling page: one HTML file that samples images in a browser, and works offline",
  params: z.strictObject({
    title: z.string().min(1).max(200).default("Interactive sampling page").describe("Heading of the page"),
    count: positiveInt(256).default(16).describe(
      "Images that the page has from the start: those of `sample` with the same seed",
    ),
    sampler: ownable(
      samplerParams.default({ name: "ddim", steps: 20, eta: 0, spacing: "trailing" }).describe(
        "Sampler at the start; the page also offers the built-in samplers that fit",
      ),
    ),
    guidance: z.number().min(0).max(100).default(1).describe("Guidance scale at the start, as `sample` takes it"),
    weights: weightsParam(),
  }),
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network to sample" },
    autoencoder: decoderInput,
  },
  outputs: {
    files: { type: "files", description: "demo.html" },
  },
  seeded: true,
  definitions: { sampler: "sampler" },
  // The engine that runs in every browser is tried, and says whether it has all operations that the network uses.
  device: (_params, tryDevice) => findStageDevice({ device: "wasm" }, tryDevice),
  check: (params, inputs, own) => ({
    problems: problemsOf(
      sampleKind.check!({ ...SAMPLED, ...params }, inputs, own).problems,
      readCheckpointFacts(inputs.checkpoint)?.height === 1 && {
        input: "checkpoint",
        message: "the page draws images, and neither points nor signals",
        fix: "leave this out, and see a trajectory of sample instead",
      },
    ),
  }),
});
