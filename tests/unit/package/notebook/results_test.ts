import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "node:path";
import { openRun } from "../../../../package/notebook/mod.ts";
import { makeTemporaryFolder } from "../../../../engine/store/folders.ts";

Deno.test("a misspelt or missing name is an error that says which names there are", async () => {
  await using temporary = await makeTemporaryFolder();
  const log = join(temporary.folder, "outputs/smoke/train/log");
  Deno.mkdirSync(log, { recursive: true });
  Deno.writeTextFileSync(join(log, "log.jsonl"), '{"step":1,"loss":0.5,"gradNorm":1,"learningRate":0.1}\n');
  const smoke = await openRun("smoke", temporary.folder);
  assertEquals(smoke.curves["train/log"]!.rows[0]!["loss"], 0.5);
  assertThrows(() => smoke.curves["train/lgo"], Error, 'did you mean "train/log"?');
  assertEquals(JSON.parse(JSON.stringify(smoke)).folder, smoke.folder);
  await assertRejects(() => openRun("smkoe", temporary.folder), Error, 'no results of "smkoe"');
  await assertRejects(() => (openRun as () => Promise<unknown>)(), Error, 'openRun("NAME")');
});
