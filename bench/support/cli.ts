/** The real command line with the bench kinds beside the built-in ones. */
import { BUILTIN_KINDS } from "noiseline";
import { main } from "../../cli/main.ts";
import { BENCH_KINDS } from "./bench_kinds.ts";

if (import.meta.main) Deno.exit(await main(Deno.args, { kinds: { ...BUILTIN_KINDS, ...BENCH_KINDS } }));
