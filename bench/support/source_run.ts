import type { RunOf } from "noiseline/engine";
import type { sourceKind } from "./bench_kinds.ts";

const run: RunOf<typeof sourceKind> = ({ params, outputs }) => outputs.out.write("value.txt", `${params.value}\n`);

export default run;
