import { z } from "zod";
import { defineKind } from "../../contract/stage.ts";
import { samplerParams } from "../../diffusion/samplers.ts";
import { ownable } from "../../schemas/definitions.ts";
import { sampleKind } from "../sample/kind.ts";
import { positiveInt, weightsParam } from "../shared/common_params.ts";
import { findStageDevice } from "../shared/device.ts";

/** The params of `sample` that a demo does not set. */
const SAMPLED = sampleKind.params.parse({ count: 1 });

export const demoKind = defineKind({
  kind: "demo",
  version: 2,
  entry: import.meta.resolve("./run.ts"),
  browser: import.meta.resolve("./browser/toolkit.ts"),
  summary: "Write a page that draws images in a browser, one file that asks no network for anything",
  params: z.strictObject({
    title: z.string().min(1).max(200).default("A network that draws").describe("Heading of the page"),
    count: positiveInt(256).default(16).describe(
      "Images that the page draws first: those of `sample` with the same seed",
    ),
    sampler: ownable(
      samplerParams.default({ name: "ddim", steps: 20, eta: 0, spacing: "trailing" }).describe(
        "How the page samples first; the built-in samplers that fit can be chosen there",
      ),
    ),
    guidance: z.number().min(0).max(100).default(1).describe("Scale of guidance to begin with, as `sample` takes it"),
    weights: weightsParam(),
  }),
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network that draws" },
  },
  outputs: {
    files: { type: "files", description: "demo.html" },
  },
  seeded: true,
  definitions: { sampler: "sampler" },
  // The engine that runs in every browser is tried, and says whether it has all operations that the network uses.
  device: (_params, tryDevice) => findStageDevice({ device: "wasm" }, tryDevice),
  check: (params, inputs, own) => ({
    problems: sampleKind.check!({ ...SAMPLED, ...params }, inputs, own).problems,
  }),
});
