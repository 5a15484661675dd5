import { assert, assertEquals } from "@std/assert";
import type { z } from "zod";
import type { imagesInfoSchema } from "../../../artifacts/image_files.ts";
import type { imageSetSchema, metricSchema, metricsSchema } from "../../../artifacts/metrics.ts";
import type { pipelineFileSchema, resourcesSchema, stageSchema } from "../../../schemas/pipeline_file.ts";
import type { fileEntrySchema } from "../../../schemas/records.ts";
import type * as types from "../../../schemas/types.ts";
import type * as kinds from "../../support/builtin_kinds.ts";
import manifest from "../../../deno.json" with { type: "json" };
import { typesText } from "../../../dev/generate_schema.ts";

Deno.test("schemas/types.ts is what the Zod schemas say now", async () => {
  const written = await Deno.readTextFile(new URL("../../../schemas/types.ts", import.meta.url));
  assert(written === typesText(), "the file is stale. Run: deno task generate");
});

/** True if each of two types is assignable to the other. */
type Same<A, B> = [A] extends [B] ? [B] extends [A] ? true : false : false;
/** Params of a built-in kind, as Zod infers them. */
type Params<Name extends keyof types.KindTable> = (typeof kinds)[`${Name}Kind`] extends
  { readonly params: infer P extends z.ZodType } ? z.input<P> : never;
/** Names of the input ports of a built-in kind; a program has ports of its own. */
type Ports<Name extends keyof types.KindTable> = Name extends "command" ? string
  : keyof (typeof kinds)[`${Name}Kind`]["inputs"];

Deno.test("the types that are written out are those that Zod infers", () => {
  // The compiler checks these: any type that differs makes this a type error.
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
  const checked = /^deno doc --lint (.+?) &&/.exec(manifest.tasks["check:package"].command)?.[1]?.split(" ");
  assertEquals(checked, doors);
});
