import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { formatDiagnostic } from "../../../engine/diagnostic/format.ts";
import { loadPipeline } from "../../../engine/load/load_pipeline.ts";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";

const FOLDER = fileURLToPath(new URL("../../../pipelines/", import.meta.url));

for (const name of ["smoke", "digits", "ablation-schedules", "ablation-objectives", "fashion", "emoji", "noise"]) {
  Deno.test(`pipelines/${name}.yaml is valid, without warnings, and opens with question, cost and result`, async () => {
    const file = `${FOLDER}${name}.yaml`;
    const loaded = await loadPipeline(file, { kinds: BUILTIN_KINDS });
    const problems = loaded.ok ? loaded.warnings : loaded.diagnostics;
    assertEquals(problems.map((problem) => formatDiagnostic(problem)), []);
    assert(loaded.ok);
    const trained = [...loaded.value.stages.values()].filter(({ kind }) => kind.name === "train");
    assert(trained.every(({ workGflop }) => workGflop! > 0));

    const lines = (await Deno.readTextFile(file)).split("\n");
    const missing = ["Question", "Cost", "Expected"].filter((word) =>
      !lines.some((line) => line.startsWith(`# ${word}: `))
    );
    assertEquals(missing, []);
  });
}
