import { z } from "zod";
import { type BuiltinKind, defineKind, externalFile } from "noiseline/engine";

/** Writes a few bytes, as small as a stage can be: what remains is the engine's own time. */
export const sourceKind = defineKind({
  kind: "bench-source",
  summary: "Write a number",
  version: 1,
  runs: "inline",
  entry: import.meta.resolve("./source_run.ts"),
  params: z.strictObject({ value: z.number(), other: z.number().default(0) }),
  inputs: {},
  outputs: { out: { type: "files", description: "one small file" } },
});

export const copyKind = defineKind({
  kind: "bench-copy",
  summary: "Copy a file",
  version: 1,
  runs: "inline",
  entry: import.meta.resolve("./copy_run.ts"),
  params: z.strictObject({ value: z.number(), other: z.number().default(0) }),
  inputs: { from: { type: "files", description: "one small file" } },
  outputs: { out: { type: "files", description: "the same and a number" } },
});

/** Reads a folder of any size from outside; what it does with it takes no time. */
export const folderKind = defineKind({
  kind: "bench-folder",
  summary: "Take a folder",
  version: 1,
  runs: "inline",
  entry: import.meta.resolve("./source_run.ts"),
  params: z.strictObject({ value: z.number(), folder: externalFile(z.string()) }),
  inputs: {},
  outputs: { out: { type: "files", description: "one small file" } },
});

export const BENCH_KINDS = {
  "bench-folder": folderKind as unknown as BuiltinKind,
  "bench-source": sourceKind as unknown as BuiltinKind,
  "bench-copy": copyKind as unknown as BuiltinKind,
};
