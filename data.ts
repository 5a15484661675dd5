/**
 * Artifacts that built-in stages read and write, for custom stages that read and write them too. `mod.ts` does without,
 * since every custom stage loads it and few need this.
 *
 * @module
 */

export {
  type ImagesInfo,
  type ImagesToWrite,
  readImages,
  type StoredImages,
  writeImages,
} from "./stages/shared/images.ts";
export { type LineChart, type LineChartsOptions, lineChartsSvg } from "./formats/line_charts.ts";
