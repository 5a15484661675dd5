import { assertEquals, assertRejects } from "@std/assert";
import type { StageContext, StageRun } from "../../../engine/contract/stage.ts";
import { explainMemory } from "../../../stages/shared/out_of_memory.ts";

// As TensorFlow 2.21 reports it through tfjs-node.
const EXHAUSTED = "Invalid TF_Status: 8\nMessage: OOM when allocating tensor with shape[128,32,32,256]";

const on = (params: object, name = "tensorflow-gpu") =>
  ({ params, device: { name, numerics: "n" } }) as unknown as StageContext;

function failing(message: string): StageRun {
  return () => Promise.reject(new Error(message));
}

async function fixFor(params: object, device?: string): Promise<string> {
  const end = await explainMemory(failing(`OOM when allocating tensor`))(on(params, device));
  return end?.status === "failed" ? end.fix! : "none";
}

Deno.test("a device out of memory ends the stage with batches that take half of it", async () => {
  const look = "or check nvidia-smi for other processes that use its memory";
  const parts = (count: number) => `set microBatches: ${count} (the same batch in smaller parts)`;
  assertEquals(await fixFor({ batchSize: 128, microBatches: 1 }), `${parts(2)}, or batchSize: 64, ${look}`);
  assertEquals(await fixFor({ batchSize: 128, microBatches: 8 }), `${parts(16)}, or batchSize: 64, ${look}`);
  // 4 does not divide 6: the next number of equal parts does. Nor do two parts divide a batch of 3.
  assertEquals(await fixFor({ batchSize: 6, microBatches: 2 }), `${parts(6)}, or batchSize: 2, ${look}`);
  // One image at a time is the least.
  assertEquals(await fixFor({ batchSize: 2, microBatches: 2 }), look.replace("or ", ""));
  assertEquals(await fixFor({ batchSize: 100 }), `set batchSize: 50, ${look}`);
  assertEquals(await fixFor({ batchSize: 1 }, "webgpu"), "use a machine with more memory");
});

Deno.test("it names the device, what it was given and what the engine says; other errors stay bugs", async () => {
  const end = await explainMemory(failing(EXHAUSTED))(on({ batchSize: 128, microBatches: 2 }));
  assertEquals(
    end?.status === "failed" ? end.message : end,
    "device tensorflow-gpu is out of memory with batchSize 128 and microBatches 2: " +
      "Message: OOM when allocating tensor with shape[128,32,32,256]",
  );
  await assertRejects(() => explainMemory(failing("shapes differ"))(on({})), Error, "shapes differ");
  const light = { params: {}, device: undefined } as unknown as StageContext;
  await assertRejects(() => explainMemory(failing(EXHAUSTED))(light), Error, "OOM when allocating");
});
