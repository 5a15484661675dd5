import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { readCifarSplit } from "../../../stages/dataset/cifar.ts";

const RECORD = 3073;

/** A file of the official length. Sparse: all black, all label 0, but for what `mark` writes. */
async function writeBatch(path: string, mark: (file: Deno.FsFile) => Promise<void> = () => Promise.resolve()) {
  using file = await Deno.open(path, { write: true, create: true });
  await file.truncate(10_000 * RECORD);
  await mark(file);
}

Deno.test("readCifarSplit() reads official files up to the limit and says what is wrong with others", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await writeBatch(join(folder, "data_batch_1.bin"), async (file) => {
      await file.seek(2 * RECORD, Deno.SeekMode.Start);
      await file.write(new Uint8Array([7, 255]));
    });
    const split = await readCifarSplit(folder, ["data_batch_1.bin", "data_batch_2.bin"], 4);
    if ("error" in split) throw new Error(split.error);
    assertEquals([...split.labels], [0, 0, 7, 0]);
    assertEquals(split.pixels.length, 4 * 3072);
    assertEquals([...split.pixels.subarray(2 * 3072, 2 * 3072 + 3)], [255, 0, 0]);

    const more = await readCifarSplit(folder, ["data_batch_1.bin", "data_batch_2.bin"], 10_001);
    assertStringIncludes("error" in more ? more.error : "", "cannot read data_batch_2.bin");
    await Deno.writeFile(join(folder, "data_batch_2.bin"), new Uint8Array(RECORD));
    const short = await readCifarSplit(folder, ["data_batch_2.bin"], 10);
    assertStringIncludes("error" in short ? short.error : "", "holds 1 images");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
