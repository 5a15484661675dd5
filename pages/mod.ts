/** Pages of results: separate from `mod.ts`, so that commands that make no pages do not load the plotting library. */
export type { Page } from "./report/page.ts";
export type { Content, ReportCurve, ReportMetrics, ReportPicture, ReportStage } from "./report/model.ts";
export type { LiveRun, LiveStage, Score } from "./live/model.ts";
export { ASSETS, downsample, partsOf, renderPage, renderReport, renderServed } from "./report/page.ts";
export { liveContent, renderRun, type RunDetails, timeOf } from "./live/run.ts";
export { renderTable, type TableDetails } from "./live/table.ts";
export { comparisonSlots } from "./report/comparison_slots.ts";
export { curvePlaces, curveTitle, objectiveOf } from "./report/charts.ts";
export { pictures } from "./report/frames.ts";
export { bestOf, cellsOf, searchBody, searchTables, trialNames } from "./report/rungs.ts";
export { encodePath, entryOf, link, markup, paramName, shorten, type Shown, table } from "./report/text.ts";
export {
  collectArtifacts,
  type Collected,
  type Collection,
  type CollectOptions,
  drawImages,
  pictureIn,
} from "./report/collect.ts";
export { encodeEvents, EVENTS_FILE, type ScalarEvent } from "../science/formats/tensorboard.ts";
export { encodeWandbRecord, WANDB_HEADER, WANDB_VERSION, wandbItems } from "../science/formats/wandb.ts";
export { pngSize } from "../science/formats/png_size.ts";
