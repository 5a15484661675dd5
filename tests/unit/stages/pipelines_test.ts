import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { formatDiagnostic } from "../../../engine/diagnostic/format.ts";
import { loadPipeline } from "../../../engine/pipeline/load/load_pipeline.ts";
import { isOwn } from "../../../schemas/definitions.ts";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";
import { hasProgram } from "../../support/proc.ts";

const FOLDER = fileURLToPath(new URL("../../../pipelines/", import.meta.url));

const NAMES = [
  ..."smoke points signals digits ablation-schedules ablation-objectives fashion emoji noise cifar cifar-cosine".split(
    " ",
  ),
  ..."research/rectified-flow research/autoguidance research/dit research/latent-or-pixel pytorch-digits pytorch-parallel"
    .split(" "),
  "latent-digits",
  "latent-emoji",
];

for (const name of NAMES) {
  const program = { "pytorch-digits": "python3", "pytorch-parallel": "torchrun" }[name];
  const lacks = program === undefined || hasProgram(program) ? undefined : `no ${program}`;
  const title = `pipelines/${name}.yaml is valid, without warnings, and opens with question, cost and result`;
  Deno.test(
    `${title}${lacks === undefined ? "" : ` (skipped: ${lacks})`}`,
    { ignore: lacks !== undefined },
    async () => {
      const file = `${FOLDER}${name}.yaml`;
      const loaded = await loadPipeline(file, { kinds: BUILTIN_KINDS });
      const problems = loaded.ok ? loaded.warnings : loaded.diagnostics;
      assertEquals(problems.map((problem) => formatDiagnostic(problem)), []);
      assert(loaded.ok);
      const trained = [...loaded.value.stages.values()].filter(({ kind }) => kind.name === "train");
      // The amount of arithmetic of a network in user code is unknown.
      assert(trained.every(({ workGflop, params }) => workGflop! > 0 || isOwn(params["model"])));

      const lines = (await Deno.readTextFile(file)).split("\n");
      const missing = ["Question", "Cost", "Expected"].filter((word) =>
        !lines.some((line) => line.startsWith(`# ${word}: `))
      );
      assertEquals(missing, []);
    },
  );
}

for (const name of ["cifar", "cifar-cosine"]) {
  Deno.test(`pipelines/${name}.yaml scores its training on the way for less than 2% of its work`, async () => {
    const loaded = await loadPipeline(`${FOLDER}${name}.yaml`, { kinds: BUILTIN_KINDS });
    assert(loaded.ok);
    const { stages } = loaded.value;
    const early = [...stages].filter(([id]) => id.startsWith("early-sample~"));
    assertEquals(early.length, 3);
    for (const [, { workGflop, inputs }] of early) {
      const trained = stages.get([inputs["checkpoint"]!].flat()[0]!.stage)!;
      assert(trained.extent! < stages.get("train")!.extent!);
      assert(workGflop! < 0.02 * trained.workGflop!);
    }
  });
}
