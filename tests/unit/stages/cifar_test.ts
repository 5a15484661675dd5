import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { readImages } from "../../../artifacts/images.ts";
import { datasetKind } from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";
import { withFolder } from "./small_world.ts";

const RECORD = 3073;

/** Writes a file of the official length. It is sparse: all black, all label 0, except what `mark` writes. */
async function writeBatch(path: string, mark: (file: Deno.FsFile) => Promise<void> = () => Promise.resolve()) {
  using file = await Deno.open(path, { write: true, create: true });
  await file.truncate(10_000 * RECORD);
  await mark(file);
}

Deno.test("cifar10 reads the files of a folder up to the limit and says what is wrong with others", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "cifar");
    await Deno.mkdir(path);
    await writeBatch(join(path, "test_batch.bin"));
    await writeBatch(join(path, "data_batch_1.bin"), async (file) => {
      await file.seek(2 * RECORD, Deno.SeekMode.Start);
      await file.write(new Uint8Array([7, 255]));
    });
    const read = (limit: number) => runStage(folder, datasetKind, { params: { source: "cifar10", path, limit } });
    const { labels, pixels } = await readImages((await read(4)).outputs["train"]!);
    assertEquals([...labels!], [0, 0, 7, 0]);
    assertEquals(pixels.length, 4 * 3072);
    assertEquals([...pixels.subarray(2 * 3072, 2 * 3072 + 3)], [255, 0, 0]);

    const failure = async () => {
      const { end } = await read(10_001);
      return end?.status === "failed" ? end.message : `ended ${end?.status}`;
    };
    assertStringIncludes(await failure(), "data_batch_2.bin: got No such file");
    await Deno.writeFile(join(path, "data_batch_2.bin"), new Uint8Array(RECORD));
    assertEquals(await failure(), "data_batch_2.bin: got 1 images, wanted 10000, as in the official file");
  });
});
