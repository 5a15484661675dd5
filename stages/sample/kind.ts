import { type CheckpointFacts, readCheckpointFacts } from "../../artifacts/facts.ts";
import { checkLabelList } from "../../artifacts/labels.ts";
import { type CheckProblem, defineKind } from "../../contract/stage.ts";
import { checkMost, problemsOf } from "../shared/checks.ts";
import { findStageDevice } from "../shared/device.ts";
import { checkSampler, drawingFacts } from "../shared/draw/check.ts";
import { type SampleParams, sampleParams } from "./params.ts";

export const sampleKind = defineKind({
  kind: "sample",
  version: 3,
  entry: import.meta.resolve("./run.ts"),
  summary: "Sample images from a trained network",
  params: sampleParams,
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network to sample from" },
  },
  outputs: {
    samples: { type: "samples", description: "Images as bytes, with a picture of the first 64" },
  },
  seeded: true,
  device: findStageDevice,
  check(params, inputs) {
    const { count, sampler, batchSize, guidance } = params;
    const checkpoint = readCheckpointFacts(inputs.checkpoint);
    if (checkpoint === undefined) return { problems: [] };
    const classes = params.labels === "none" ? null : checkpoint.classes;
    const asked = guidance === 1 ? 1 : 2;
    // The last batch is as large as the others.
    const drawn = Math.ceil(count / batchSize) * batchSize;
    return {
      problems: [...checkSampler(sampler, checkpoint), ...checkDrawing(params, checkpoint)],
      ...drawingFacts(checkpoint, params, { count, walks: asked * drawn, classes }),
    };
  },
});

/** Labels and guidance that the network knows nothing of, and more film than images. */
function checkDrawing(
  { labels, guidance, trajectory, count, batchSize }: SampleParams,
  { classes, classNames }: Pick<CheckpointFacts, "classes" | "classNames">,
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
    guidance !== 1 && untold("guidance", `${guidance}`),
    Boolean(classes) && Array.isArray(labels) && checkLabelList(labels, { classes: classes!, classNames }),
    labels === "none" && guidance !== 1 && classes !== null && {
      severity: "warning",
      param: ["guidance"],
      message: "without labels there is nothing to guide towards: the network is evaluated twice for the same result",
      fix: "remove guidance",
    },
    trajectory !== undefined && checkMost(["trajectory", "images"], trajectory.images, Math.min(count, batchSize), {
      message: "a trajectory shows images of the first batch",
      what: `, of count ${count} and batchSize ${batchSize}`,
    }),
  );
}
