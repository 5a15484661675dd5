/** The built-in kinds, each with its own types. */
export { classifierKind } from "../../stages/classifier/kind.ts";
export { datasetKind } from "../../stages/dataset/kind.ts";
export { demoKind } from "../../stages/demo/kind.ts";
export { evaluateKind } from "../../stages/evaluate/kind.ts";
export { exportKind } from "../../stages/export/kind.ts";
export { featuresKind } from "../../stages/features/kind.ts";
export { imagesKind } from "../../stages/images/kind.ts";
export { importKind } from "../../stages/import/kind.ts";
export { inpaintKind } from "../../stages/inpaint/kind.ts";
export { interpolateKind } from "../../stages/interpolate/kind.ts";
export { neighboursKind } from "../../stages/neighbours/kind.ts";
export { sampleKind } from "../../stages/sample/kind.ts";
export { scheduleKind } from "../../stages/schedule/kind.ts";
export { scoreKind } from "../../stages/score/kind.ts";
export { selectKind } from "../../stages/select/kind.ts";
export { statisticsKind } from "../../stages/statistics/kind.ts";
export { trainKind } from "../../stages/train/kind.ts";
