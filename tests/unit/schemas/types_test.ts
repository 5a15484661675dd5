import { assert, assertEquals } from "@std/assert";
import type { z } from "zod";
import type { imagesInfoSchema } from "../../../artifacts/images.ts";
import type { imageSetSchema, metricSchema, metricsSchema } from "../../../artifacts/metrics.ts";
import type { pipelineFileSchema, resourcesSchema, stageSchema } from "../../../schemas/pipeline_file.ts";
import type { fileEntrySchema } from "../../../schemas/records.ts";
import type * as types from "../../../schemas/types.ts";
import type { classifierKind } from "../../../stages/classifier/kind.ts";
import type { datasetKind } from "../../../stages/dataset/kind.ts";
import type { evaluateKind } from "../../../stages/evaluate/kind.ts";
import type { exportKind } from "../../../stages/export/kind.ts";
import type { featuresKind } from "../../../stages/features/kind.ts";
import type { importKind } from "../../../stages/import/kind.ts";
import type { inpaintKind } from "../../../stages/inpaint/kind.ts";
import type { interpolateKind } from "../../../stages/interpolate/kind.ts";
import type { neighboursKind } from "../../../stages/neighbours/kind.ts";
import type { sampleKind } from "../../../stages/sample/kind.ts";
import type { scheduleKind } from "../../../stages/schedule/kind.ts";
import type { scoreKind } from "../../../stages/score/kind.ts";
import type { selectKind } from "../../../stages/select/kind.ts";
import type { statisticsKind } from "../../../stages/statistics/kind.ts";
import type { trainKind } from "../../../stages/train/kind.ts";
import manifest from "../../../deno.json" with { type: "json" };
import { TYPES_FILE, typesText } from "../../../tools/generate_schema.ts";

Deno.test("schemas/types.ts is what the Zod schemas say now", async () => {
  assert(await Deno.readTextFile(TYPES_FILE) === typesText(), "the file is stale. Run: deno task generate");
});

/** Whether each of two types fits where the other is wanted. */
type Same<A, B> = [A] extends [B] ? [B] extends [A] ? true : false : false;
type Kinds = {
  classifier: typeof classifierKind;
  dataset: typeof datasetKind;
  evaluate: typeof evaluateKind;
  export: typeof exportKind;
  features: typeof featuresKind;
  import: typeof importKind;
  inpaint: typeof inpaintKind;
  interpolate: typeof interpolateKind;
  neighbours: typeof neighboursKind;
  sample: typeof sampleKind;
  schedule: typeof scheduleKind;
  score: typeof scoreKind;
  select: typeof selectKind;
  statistics: typeof statisticsKind;
  train: typeof trainKind;
};
/** Params of a built-in kind, as Zod infers them. */
type Params<Name extends keyof types.KindTable> = Kinds[Name] extends { readonly params: infer P extends z.ZodType }
  ? z.input<P>
  : never;
/** Names of the input ports of a built-in kind. */
type Ports<Name extends keyof types.KindTable> = keyof Kinds[Name]["inputs"];

Deno.test("the types that are written out are those that Zod infers", () => {
  // Checked by the compiler: any that differs makes this an error of types.
  const records: [
    Same<types.FileEntry, z.output<typeof fileEntrySchema>>,
    Same<types.ImagesInfo, z.output<typeof imagesInfoSchema>>,
    Same<types.ImageSet, z.output<typeof imageSetSchema>>,
    Same<types.Metric, z.output<typeof metricSchema>>,
    Same<types.MetricsToWrite, Omit<z.input<typeof metricsSchema>, "format">>,
    Same<types.Resources, z.output<typeof resourcesSchema>>,
    Same<types.StageFileInput, z.input<typeof stageSchema>>,
    Same<types.PipelineFileInput, z.input<typeof pipelineFileSchema>>,
  ] = [true, true, true, true, true, true, true, true];
  const params: { [Name in keyof types.KindTable]: Same<types.KindTable[Name]["params"], Params<Name>> }[
    keyof types.KindTable
  ] = true;
  const ports: { [Name in keyof types.KindTable]: Same<types.KindTable[Name]["inputs"], Ports<Name>> }[
    keyof types.KindTable
  ] = true;
  assert([...records, params, ports].every((same) => same));
});

Deno.test("the task that checks the package names every door of it", () => {
  const doors = [...new Set(Object.values(manifest.exports))].map((door) => door.slice(2));
  const checked = /^deno doc --lint (.+?) &&/.exec(manifest.tasks["check:package"])?.[1]?.split(" ");
  assertEquals(checked, doors);
});
