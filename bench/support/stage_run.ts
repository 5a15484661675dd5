import type { RunOf } from "noiseline/engine";
import type { stageKind } from "./bench_kinds.ts";

const run: RunOf<typeof stageKind> = async ({ params, inputs, outputs }) => {
  const before = await inputs.from?.readText("value.txt") ?? "";
  await outputs.out.write("value.txt", `${before}${params.value}\n`);
};

export default run;
