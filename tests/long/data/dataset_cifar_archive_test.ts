import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { Buffer } from "node:buffer";
import { constants, deflateRawSync, gzipSync } from "node:zlib";
import { datasetKind } from "../../support/builtin_kinds.ts";
import { readImages } from "../../../artifacts/images.ts";
import { BATCH_NAMES, cifarArchive, makeBatch, makeCifarArchive } from "../../support/cifar_archive.ts";
import { makeTar } from "../../support/tar.ts";
import { digests, runStage } from "../../support/stage_context.ts";
import { withFolder } from "../../unit/stages/small_world.ts";

/** The end of the message about an archive that is broken. */
const BROKEN = /, wanted a whole (tar, packed by gzip or not|file of a tar)$/;

async function failure(folder: string, archive: Uint8Array): Promise<string> {
  const path = join(folder, "archive.tar.gz");
  await Deno.writeFile(path, archive);
  const { end } = await runStage(folder, datasetKind, { params: { source: "cifar10", path, limit: 10 } });
  return end?.status === "failed" ? end.message : `ended ${end?.status}`;
}

Deno.test("cifar10 reads the archive as it reads its unpacked folder, labels and order kept", async () => {
  await withFolder(async (folder) => {
    const archive = join(folder, "cifar-10-binary.tar.gz");
    await Deno.writeFile(archive, cifarArchive());
    const unpacked = join(folder, "unpacked");
    await Deno.mkdir(unpacked);
    for (const [index, name] of BATCH_NAMES.entries()) {
      await Deno.writeFile(join(unpacked, name), makeBatch(index + 1));
    }
    const params = { source: "cifar10", limit: 10_003 };
    const packed = await runStage(folder, datasetKind, { params: { ...params, path: archive } });
    assertEquals(packed.end, undefined);
    assertEquals(
      digests(packed),
      digests(await runStage(folder, datasetKind, { params: { ...params, path: unpacked } })),
    );

    const train = await readImages(packed.outputs["train"]!);
    assertEquals([train.info.count, train.info.classes], [10_003, 10]);
    // The first image of the second batch follows the last of the first.
    const at = (image: number) => [train.labels![image], ...train.pixels.subarray(image * 3072, image * 3072 + 4)];
    assertEquals([at(0), at(9_999), at(10_000)], [[1, 1, 0, 0, 0], [0, 1, 0, 0, 0], [2, 2, 0, 0, 0]]);
    const test = await readImages(packed.outputs["test"]!);
    assertEquals([test.info.count, test.labels![0], test.pixels[0]], [10_000, 6, 6]);
  });
});

Deno.test("cifar10 says what is wrong with an archive", async () => {
  await withFolder(async (folder) => {
    const whole = cifarArchive();
    assertMatch(await failure(folder, whole.subarray(0, whole.length / 2)), BROKEN);
    assertMatch(await failure(folder, new TextEncoder().encode("<html>")), BROKEN);
    const flipped = Uint8Array.from(whole);
    flipped.fill(0x55, 5_000, 5_100);
    assertMatch(await failure(folder, flipped), BROKEN);
    const small = (name: string, content: Uint8Array<ArrayBuffer>) => makeCifarArchive([{ name, content }]);
    assertStringIncludes(await failure(folder, small("data_batch_1.bin", makeBatch(1, 3))), "got 3 images");
    const first = small("data_batch_1.bin", makeBatch(1));
    assertStringIncludes(await failure(folder, first), "only some batches, wanted data_batch_2.bin, data_batch_3.bin");
    const wrong = small("data_batch_1.bin", makeBatch(1).fill(77, 0, 1));
    assertStringIncludes(await failure(folder, wrong), "label of record 0: got 77, wanted 0 to 9");
  });
});

Deno.test("cifar10 takes of an archive what is a batch of its length, and lets go of what claims too much", async () => {
  await withFolder(async (folder) => {
    const name = "cifar-10-batches-bin/data_batch_1.bin";
    const small = makeTar([{ name, content: new Uint8Array(1_000) }]);
    const zip = (archive: Uint8Array) => new Uint8Array(gzipSync(archive, { level: 1 }));
    /** Returns an archive whose header declares a size, without the bytes. */
    const claiming = (size: number, type = "0") => {
      const archive = Uint8Array.from(small);
      archive.set(new TextEncoder().encode(size.toString(8).padStart(11, "0")), 124);
      archive[156] = type.charCodeAt(0);
      archive.fill(0x20, 148, 156);
      const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0);
      archive.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\u0000 `), 148);
      return archive;
    };
    assertStringIncludes(
      await failure(folder, zip(claiming(2 ** 33 - 1))),
      "data_batch_1.bin: got 8589934591 bytes, wanted at most 268435456",
    );
    // Entries of any name count towards the size limit, also in unpacked form: here five that are not batches, as one
    // gzip member.
    const zeros = makeTar([{ name: "zeros", content: new Uint8Array(64 << 20) }]).subarray(0, -1_024);
    const part = deflateRawSync(zeros, { level: 1, finishFlush: constants.Z_FULL_FLUSH });
    const bomb = Buffer.concat([gzipSync("").subarray(0, 10), ...Array.from({ length: 5 }, () => part)]);
    assertStringIncludes(await failure(folder, bomb), "unpacks to more, wanted at most 268435456 bytes");
    assertMatch(await failure(folder, zip(claiming(20_000))), BROKEN);
    // A long name that is longer than any real one, and entries that are not files: a link, a folder, a device.
    assertMatch(await failure(folder, zip(claiming(16 << 20, "L"))), BROKEN);
    for (const type of "12345") assertStringIncludes(await failure(folder, zip(claiming(1_000, type))), "archive");
    const flipped = Uint8Array.from(small);
    flipped[0]! ^= 1;
    assertMatch(await failure(folder, zip(flipped)), BROKEN);
    assertMatch(await failure(folder, zip(new TextEncoder().encode("no tar".repeat(500)))), BROKEN);
  });
});
