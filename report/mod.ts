/** Pages of results: separate from `mod.ts`, so that commands that make no pages do not load the plotting library. */
export type { Page } from "./page.ts";
export type { Content, ReportCurve, ReportMetrics, ReportPicture, ReportStage } from "./model.ts";
export type { LiveRun, LiveStage, Score } from "./live/model.ts";
export { ASSETS, downsample, partsOf, renderPage, renderReport, renderServed } from "./page.ts";
export { liveContent, renderRun, type RunDetails, timeOf } from "./live/run.ts";
export { renderTable, type TableDetails } from "./live/table.ts";
export { comparisonSlots } from "./comparison_slots.ts";
export { curvePlaces, curveTitle, objectiveOf } from "./charts.ts";
export { pictures } from "./frames.ts";
export { bestOf, cellsOf, searchBody, searchTables, trialNames } from "./rungs.ts";
export { encodePath, entryOf, link, markup, paramName, shorten, type Shown, table } from "./text.ts";
export { IS_BIASED } from "../artifacts/metrics.ts";
export {
  collectArtifacts,
  type Collected,
  type Collection,
  type CollectOptions,
  drawImages,
  pictureIn,
} from "./collect.ts";
export { encodeEvents, EVENTS_FILE, type ScalarEvent } from "../formats/tensorboard.ts";
export { encodeWandbRecord, WANDB_HEADER, WANDB_VERSION, wandbItems } from "../formats/wandb.ts";
export { pngSize } from "../formats/png_size.ts";
