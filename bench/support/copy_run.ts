import type { RunOf } from "noiseline/engine";
import type { copyKind } from "./bench_kinds.ts";

const run: RunOf<typeof copyKind> = async ({ params, inputs, outputs }) => {
  await outputs.out.write("value.txt", `${await inputs.from.readText("value.txt")}${params.value}\n`);
};

export default run;
