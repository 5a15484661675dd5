import { z } from "zod";
import { type BuiltinKind, defineKind, externalFile, type RunOf } from "noiseline/engine";

/**
 * A stage that writes a few bytes below those that it reads, as small as a stage can be: the rest is the engine's own
 * time. Reading a folder from outside takes it no time.
 */
const stageKind = defineKind({
  kind: "bench-stage",
  summary: "Write a number",
  version: 1,
  runs: "inline",
  entry: import.meta.url,
  params: z.strictObject({
    value: z.number(),
    other: z.number().default(0),
    folder: externalFile(z.string()).optional(),
  }),
  inputs: { from: { type: "files", description: "one small file", optional: true } },
  outputs: { out: { type: "files", description: "the same and a number" } },
});

export const BENCH_KINDS = { "bench-stage": stageKind as unknown as BuiltinKind };

const run: RunOf<typeof stageKind> = async ({ params, inputs, outputs }) => {
  const before = await inputs.from?.readText("value.txt") ?? "";
  await outputs.out.write("value.txt", `${before}${params.value}\n`);
};

export default run;
