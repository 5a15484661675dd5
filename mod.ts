/**
 * noiseline: cached, declarative pipelines for diffusion-model experiments. Custom stages use this module while they
 * run; custom networks, objectives, noise paths, samplers, augmentations and autoencoders are defined with it; and
 * pipelines in TypeScript are written with it.
 *
 * The key of a custom stage contains `API_VERSION` for this code, and a test pins the code beside that number.
 *
 * @example A stage that counts files
 * ```ts
 * import { defineStage } from "@noiseline/noiseline";
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

export * from "./engine/contract/mod.ts";
export {
  DATA_TIME,
  defineAugmentation,
  defineAutoencoder,
  defineNetwork,
  defineObjective,
  definePath,
  defineSampler,
} from "./science/diffusion/define.ts";
export type * from "./science/diffusion/define.ts";
export { mix, type MixTerm } from "./science/diffusion/samplers/mix.ts";
export type { DiffusionTables } from "./science/diffusion/schedule/tables.ts";
export { type Sort, SORTS } from "./schemas/definitions.ts";
export * from "./stages/define_pipeline.ts";
export { ARTIFACT_TYPES, type ArtifactType, type WantedArtifact } from "./schemas/artifacts.ts";
export { execution, extent, externalFile, legacy, type Schema } from "./schemas/roles.ts";
export type * from "./schemas/types.ts";
export {
  type ImageReader,
  type ImagesToDescribe,
  type ImagesWriter,
  type LabelNumbers,
  openImages,
  openImagesWriter,
} from "./artifacts/image_files.ts";
export type { Normalizer, ValueForm, Values, ValueType } from "./science/diffusion/normalizer.ts";
export { type ImagesToWrite, readImages, type StoredImages, writeImages } from "./artifacts/images.ts";
export { describeImageSet, writeMetrics } from "./artifacts/metrics.ts";
export { type Batch, type BatchWork, type ComputedBatch, inParts, type Rows } from "./stages/shared/parts.ts";
export { withDevice } from "./stages/shared/device.ts";
export type * from "./science/tensor/device.ts";
export { DEVICE_NAMES, type DeviceName } from "./science/tensor/devices.ts";
export { openDevice } from "./science/tensor/implementations.ts";
export {
  type DrawOptions,
  type RandomStream,
  randomStream,
  type RandomStreamOptions,
} from "./science/tensor/random/stream.ts";
export { type LineChart, type LineChartsOptions, lineChartsSvg } from "./science/pictures/line_charts.ts";
