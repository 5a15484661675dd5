/** The real command line, with the bench kinds beside the built-in ones. */
import { importLate } from "noiseline/core";
import { fileURLToPath } from "node:url";
import { main } from "../../../cli/main.ts";

async function loadKinds() {
  const [{ BUILTIN_KINDS }, { BENCH_KINDS }, { SCORE_KINDS }] = await Promise.all([
    importLate<typeof import("noiseline/engine")>("noiseline/engine"),
    importLate<typeof import("./bench_kinds.ts")>(import.meta.resolve("./bench_kinds.ts")),
    importLate<typeof import("./bench_scores.ts")>(import.meta.resolve("./bench_scores.ts")),
  ]);
  return { ...BUILTIN_KINDS, ...BENCH_KINDS, ...SCORE_KINDS };
}

const kindFiles = ["./bench_kinds.ts", "./bench_scores.ts"].map((file) => fileURLToPath(import.meta.resolve(file)));
if (import.meta.main) Deno.exit(await main(Deno.args, { loadKinds, kindFiles }));
