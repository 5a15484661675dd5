/**
 * noiseline: cached, declarative pipelines for diffusion-model experiments. This is what a stage of one's own may use
 * while it runs, and what a pipeline in TypeScript is written with.
 *
 * A custom stage's key has `API_VERSION` for this code, and a test pins the code beside that.
 *
 * @example A stage that counts files
 * ```ts
 * import { defineStage } from "noiseline";
 * import { z } from "zod";
 *
 * export default defineStage({
 *   summary: "Count the files of an artifact",
 *   params: z.strictObject({}),
 *   inputs: { files: { type: "files", description: "What to count" } },
 *   outputs: { count: { type: "files", description: "count.txt" } },
 *   async run({ inputs, outputs }) {
 *     await outputs.count.write("count.txt", `${inputs.files.files.length}\n`);
 *   },
 * });
 * ```
 *
 * @module
 */

export {
  defineStage,
  type InputArtifact,
  type InputPort,
  type InputPorts,
  type OutputArtifact,
  type OutputPort,
  type OutputPorts,
  type ProgressUpdate,
  type SavedState,
  type StageContext,
  type StageDefinition,
  type StageEnd,
  type StageInterface,
  type StagePermissions,
  type StageProgress,
  type StageRun,
} from "./contract/stage.ts";
export {
  customStage,
  type CustomStageOf,
  definePipeline,
  type Expression,
  type KindName,
  type OpenStage,
  type PipelineInput,
  type StageChange,
  type StageInput,
  type StageOf,
  type Written,
} from "./stages/define_pipeline.ts";
export type { ArtifactType } from "./schemas/artifacts.ts";
export type { ImageSet, Metric, MetricsToWrite } from "./schemas/metrics.ts";
export type { PipelineFileInput, Resources } from "./schemas/pipeline_file.ts";
export type { FileEntry } from "./schemas/records.ts";
export { execution, extent, externalFile, legacy } from "./schemas/roles.ts";
export { type ImagesInfo, type ImagesToWrite, readImages, type StoredImages, writeImages } from "./artifacts/images.ts";
export { describeImageSet, writeMetrics } from "./artifacts/metrics.ts";
export { withDevice } from "./stages/shared/stage_device.ts";
export type { Device } from "./tensor/device.ts";
export { openDevice } from "./tensor/open.ts";
export { type RandomStream, randomStream } from "./tensor/random/stream.ts";
export { type LineChart, type LineChartsOptions, lineChartsSvg } from "./formats/line_charts.ts";
