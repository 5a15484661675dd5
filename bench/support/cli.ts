/** The real command line, with the bench kinds beside the built-in ones. */
import { importLate } from "noiseline/core";
import { fileURLToPath } from "node:url";
import { main } from "../../cli/main.ts";

async function loadKinds() {
  const [{ BUILTIN_KINDS }, { BENCH_KINDS }] = await Promise.all([
    importLate<typeof import("noiseline/engine")>("noiseline/engine"),
    importLate<typeof import("./bench_kinds.ts")>(import.meta.resolve("./bench_kinds.ts")),
  ]);
  return { ...BUILTIN_KINDS, ...BENCH_KINDS };
}

const kindFiles = [fileURLToPath(import.meta.resolve("./bench_kinds.ts"))];
if (import.meta.main) Deno.exit(await main(Deno.args, { loadKinds, kindFiles }));
