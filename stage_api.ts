/**
 * What the code of a custom stage may use of the toolkit while it runs: there `noiseline` and `noiseline/data` are this
 * module. A custom stage's key has `API_VERSION` for it, and a test pins its code beside that.
 *
 * @module
 */

export { defineStage } from "./contract/stage.ts";
export { execution, extent, externalFile, legacy } from "./schemas/roles.ts";
export { type ImagesInfo, type ImagesToWrite, readImages, type StoredImages, writeImages } from "./artifacts/images.ts";
export { describeImageSet, writeMetrics } from "./artifacts/metrics.ts";
export { withDevice } from "./stages/shared/device.ts";
export type { Device } from "./tensor/device.ts";
export { openDevice } from "./tensor/open.ts";
export { type RandomStream, randomStream } from "./tensor/random/stream.ts";
export { type LineChart, type LineChartsOptions, lineChartsSvg } from "./formats/line_charts.ts";
