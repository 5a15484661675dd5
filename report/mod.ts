/** Pages of results: apart from `mod.ts`, so that commands that make none do not load the plotting library. */
export type { Page } from "./page.ts";
export type { ReportMetrics, ReportParam, ReportStage } from "./model.ts";
export { renderPage, renderReport } from "./page.ts";
export { curvePlaces, pictures, table } from "./sections.ts";
export { markup } from "./text.ts";
export { collectArtifacts, type Collected, type Collection } from "./collect.ts";
export { encodeEvents, type ScalarEvent } from "../formats/tensorboard.ts";
