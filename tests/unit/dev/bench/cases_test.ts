import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { BUILTIN_KINDS, loadPipeline } from "noiseline/engine";
import { CASES } from "../../../../dev/bench/support/race_steps.ts";

Deno.test("the benchmarks' case digits is the network and the batch of pipelines/digits.yaml", async () => {
  const file = fileURLToPath(import.meta.resolve("../../../../pipelines/digits.yaml"));
  const loaded = await loadPipeline(file, { kinds: BUILTIN_KINDS });
  assert(loaded.ok);
  const paramsOf = (stage: string) => loaded.value.stages.get(stage)!.params as Record<string, unknown>;
  const { model, batchSize } = paramsOf("train");
  const { imageSize, inChannels, ...network } = CASES["digits"]!.model;
  assertEquals({ network, batch: CASES["digits"]!.batch }, { network: model, batch: batchSize });
  assertEquals({ imageSize, inChannels }, { imageSize: paramsOf("digits")["size"], inChannels: 1 });
});
