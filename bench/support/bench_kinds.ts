import { z } from "zod";
import { type BuiltinKind, defineKind, externalFile } from "noiseline/engine";

/** Writes a few bytes below what it reads, as small as a stage can be: what remains is the engine's own time. */
export const stageKind = defineKind({
  kind: "bench-stage",
  summary: "Write a number",
  version: 1,
  runs: "inline",
  entry: import.meta.resolve("./stage_run.ts"),
  params: z.strictObject({ value: z.number(), other: z.number().default(0) }),
  inputs: { from: { type: "files", description: "one small file", optional: true } },
  outputs: { out: { type: "files", description: "the same and a number" } },
});

/** Reads a folder of any size from outside; what it does with it takes no time. */
const folderKind = defineKind({
  kind: "bench-folder",
  summary: "Take a folder",
  version: 1,
  runs: "inline",
  entry: import.meta.resolve("./stage_run.ts"),
  params: z.strictObject({ value: z.number(), folder: externalFile(z.string()) }),
  inputs: {},
  outputs: { out: { type: "files", description: "one small file" } },
});

export const BENCH_KINDS = {
  "bench-stage": stageKind as unknown as BuiltinKind,
  "bench-folder": folderKind as unknown as BuiltinKind,
};
