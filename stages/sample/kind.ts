import { z } from "zod";
import { type CheckpointFacts, hasSize, readCheckpointFacts, sizeText } from "../../artifacts/facts.ts";
import { checkLabelList } from "../../artifacts/labels.ts";
import { type CheckProblem, defineKind } from "../../engine/contract/stage.ts";
import { samplerParams } from "../../science/diffusion/samplers.ts";
import { ownable } from "../../schemas/definitions.ts";
import { extent, legacy } from "../../schemas/roles.ts";
import { checkDecoder, checkFiles, checkMost, checkWeightsName, decoderInput, problemsOf } from "../shared/checks.ts";
import { filesParam, longRunningParams, positiveInt, precisionParam, weightsParam } from "../shared/common_params.ts";
import { findStageDevice } from "../shared/device.ts";
import { samplingFacts } from "../shared/draw/check.ts";
import { checkSampler } from "../shared/draw/sampler.ts";

const label = z.union([z.int().min(0).max(255), z.string().min(1).max(255)]);
const labels = z.array(label, { error: "a list of class numbers or names" }).min(1).max(10_000);

const CLIP_QUANTILE = 0.995;

const sampleParams = z.strictObject({
  count: extent(positiveInt(10_000_000).describe("Number of images; raising it continues")),
  sampler: ownable(
    samplerParams.default({ name: "ddim", steps: 50, eta: 0, spacing: "trailing" }).describe("How to sample"),
  ),
  weights: weightsParam(),
  clip: legacy(
    z.enum(["unit", "dynamic", "none"]).default("unit").describe(
      "Clip the predicted x0 at each step: to [-1, 1] (unit), by dynamic thresholding (Saharia et al. 2022), or not",
    ),
    "unit",
  ),
  clipQuantile: legacy(
    z.number().positive().max(1).default(CLIP_QUANTILE).describe(
      "For clip dynamic: the quantile of |x0| that is scaled to 1",
    ),
    CLIP_QUANTILE,
  ),
  // No defaults, here and below: older samples have none of these params, and keep their keys.
  labels: z.union([z.enum(["cycle", "none"]), labels]).optional().describe(
    "For class-conditional models: every class in turn (cycle, the default), the classes of a list in turn, by number " +
      "or name, or none",
  ),
  guidance: legacy(
    z.number().min(0).max(100).default(1).describe(
      "Scale of guidance: none + guidance (label - none) (Ho and Salimans 2021), or with a guide, guide + guidance " +
        "(network - guide). 1 is no guidance; any other value costs a second evaluation per step",
    ),
    1,
  ),
  guidanceInterval: z.strictObject({
    from: z.number().min(0).max(1e6).describe("Noise level above which there is guidance"),
    to: z.number().positive().max(1e9).describe("Highest noise level with guidance"),
  }).refine(({ from, to }) => from < to, { path: ["from"], error: "a level below to" }).optional().describe(
    "Noise levels, noise / signal, that are guided; default: all (Kynkaanniemi et al. 2024). Outside, the network is " +
      "evaluated once",
  ),
  trajectory: z.strictObject({
    images: positiveInt(1_024).default(8).describe("How many of the first images, at most 64, or of the points"),
    frames: z.int().min(2).max(100).default(11).describe("Frames per image, both ends included"),
  }).optional().describe("Also show how the first images form: strips of x_t and of the predicted x0"),
  files: filesParam(),
  batchSize: positiveInt(65_536).default(64).describe("Images drawn at a time"),
  precision: precisionParam(),
  ...longRunningParams(),
});

export type SampleParams = z.output<typeof sampleParams>;

export const sampleKind = defineKind({
  kind: "sample",
  version: 8,
  entry: import.meta.resolve("./run.ts"),
  shards: true,
  summary: "Sample images from a trained network",
  params: sampleParams,
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network to sample from" },
    guide: {
      type: "checkpoint",
      description: "A worse network to be guided away from, such as an earlier one (Karras et al. 2024)",
      optional: true,
    },
    autoencoder: decoderInput,
  },
  outputs: {
    samples: { type: "samples", description: "Images as bytes, with a picture of the first 64" },
  },
  seeded: true,
  untimed: ["weights", "clipQuantile", "sampler.eta"],
  definitions: { sampler: "sampler" },
  device: findStageDevice,
  check(params, inputs, own) {
    const { count, sampler, batchSize, guidance } = params;
    const guide = "guide" in inputs ? { facts: readCheckpointFacts(inputs.guide) } : undefined;
    const checkpoint = readCheckpointFacts(inputs.checkpoint);
    if (checkpoint === undefined) return { problems: [] };
    const classes = params.labels === "none" ? null : checkpoint.classes;
    const asked = guidance === 1 ? 1 : 2;
    // The last batch is computed in full, like the others.
    const drawn = Math.ceil(count / batchSize) * batchSize;
    return {
      problems: [
        ...checkSampler(sampler, checkpoint, own?.["sampler"]),
        ...checkWeightsName(params.weights, checkpoint),
        ...checkDecoder("checkpoint", checkpoint, inputs),
        ...checkWeightsName(params.weights, guide?.facts).map((problem) => ({ ...problem, input: "guide" })),
        ...checkDrawing(params, checkpoint, guide !== undefined),
        ...checkGuidance(params, checkpoint, guide),
        ...checkFiles(params.files, { ...checkpoint, count }),
      ],
      ...samplingFacts(checkpoint, params, {
        count,
        walks: asked * drawn,
        together: guide === undefined ? asked : 1,
        inputs,
        classes,
      }),
    };
  },
});

/** Reports labels and guidance that the network does not support, and a trajectory of more images than there are. */
function checkDrawing(
  { labels, guidance, trajectory, count, batchSize, clip, clipQuantile }: SampleParams,
  { classes, classNames, height = 0, width = 0 }: CheckpointFacts,
  hasGuide: boolean,
): CheckProblem[] {
  const untold = (param: string, got: string): CheckProblem[] =>
    classes !== null ? [] : [{
      param: [param],
      message: "the checkpoint is not class-conditional",
      got,
      wanted: `no ${param}`,
      fix: `remove ${param}, or train a class-conditional model with labels: {}`,
    }];
  return problemsOf(
    labels !== undefined && untold("labels", JSON.stringify(labels)),
    guidance !== 1 && !hasGuide && untold("guidance", `${guidance}`),
    Boolean(classes) && Array.isArray(labels) && checkLabelList(labels, { classes: classes!, classNames }),
    clip !== "dynamic" && clipQuantile !== CLIP_QUANTILE && {
      severity: "warning",
      param: ["clipQuantile"],
      message: "only dynamic thresholding reads the quantile",
      got: `clip: ${clip}`,
      fix: "add clip: dynamic, or remove clipQuantile",
    },
    labels === "none" && guidance !== 1 && !hasGuide && classes !== null && {
      severity: "warning",
      param: ["guidance"],
      message: "without labels there is nothing to guide towards: the network is evaluated twice for the same result",
      fix: "remove guidance",
    },
    trajectory !== undefined && height * width > 1 &&
      checkMost(["trajectory", "images"], trajectory.images, 64, {
        message: "a trajectory has a row for each image",
      }),
    trajectory !== undefined && checkMost(["trajectory", "images"], trajectory.images, Math.min(count, batchSize), {
      message: "a trajectory shows images of the first batch",
      what: `, of count ${count} and batchSize ${batchSize}`,
    }),
  );
}

/** Reports a guide that does not fit the network, and guidance that has no effect. */
function checkGuidance(
  { guidance, guidanceInterval: interval }: SampleParams,
  checkpoint: CheckpointFacts,
  guide: { readonly facts: CheckpointFacts | undefined } | undefined,
): CheckProblem[] {
  const unfit = (what: string, of: (facts: CheckpointFacts) => string | undefined): CheckProblem[] => {
    const [got, wanted] = [guide?.facts && of(guide.facts), of(checkpoint)];
    if (got === undefined || wanted === undefined || got === wanted) return [];
    const fix = "use an earlier checkpoint of the same training, or a smaller network that was trained alike";
    return [{ input: "guide", message: `the guide has other ${what} than the checkpoint`, got, wanted, fix }];
  };
  return problemsOf(
    unfit("images", (facts) => hasSize(facts) ? sizeText(facts) : undefined),
    unfit("classes", ({ classes }) => classes === undefined ? undefined : `${classes ?? "none"}`),
    unfit("timesteps", ({ timesteps }) => timesteps?.toString()),
    unfit("noise paths", ({ variancePreserving }) => `${variancePreserving ? "" : "not "}variance preserving`),
    guidance === 1 && (guide !== undefined || interval !== undefined) && {
      severity: "warning",
      param: ["guidance"],
      message: "at guidance 1, neither a guide nor guidanceInterval does anything",
      fix: "raise guidance",
    },
    guidance !== 1 && (checkpoint.ownSampler ?? guide?.facts?.ownSampler) !== undefined && {
      param: ["guidance"],
      message: "a network whose objective does not define x_0 cannot be guided",
      got: `${guidance}`,
      wanted: "1",
      fix: "remove guidance, or give the objective a recover",
    },
  );
}
