import { CLASS_NAMES } from "../../../artifacts/labels.ts";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { datasetKind } from "../../support/builtin_kinds.ts";
import { readImages } from "../../../artifacts/images.ts";
import { makeIdx, makeIdxFiles } from "../../support/idx.ts";
import { skipTestsUnless } from "../../support/proc.ts";
import { digests, runStage } from "../../support/stage_context.ts";
import { withFolder } from "./small_world.ts";

const FILES = makeIdxFiles();

async function lay(path: string, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  await Deno.mkdir(path, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) await Deno.writeFile(join(path, name), bytes);
}

Deno.test("fashion-mnist and mnist read their four files, packed or not, under all names that they go by", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "idx");
    await lay(path, FILES);
    const params = { source: "fashion-mnist", path, limit: 12 };
    const packed = await runStage(folder, datasetKind, { params });
    assertEquals(packed.end, undefined);
    const train = await readImages(packed.outputs["train"]!);
    assertEquals(train.shape, [12, 28, 28, 1]);
    assertEquals([...train.labels!], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    assertEquals([train.pixels[3 * 784], train.pixels[3 * 784 + 1]], [3, 0]);
    const classNames = CLASS_NAMES["fashion-mnist"];
    assertEquals(train.info.source, { name: "fashion-mnist", split: "train", resize: "none", classNames });

    const plain = join(folder, "plain");
    const unpacked = Object.entries(FILES).map(([name, bytes]) =>
      [name.replace(".gz", ""), gunzipSync(bytes)] as const
    );
    await lay(plain, Object.fromEntries(unpacked));
    await Deno.rename(join(plain, "t10k-labels-idx1-ubyte"), join(plain, "t10k-labels.idx1-ubyte"));
    assertEquals(digests(packed), digests(await runStage(folder, datasetKind, { params: { ...params, path: plain } })));
    const small = await runStage(folder, datasetKind, { params: { source: "mnist", path, limit: 3, size: 14 } });
    const info = (await readImages(small.outputs["test"]!)).info;
    assertEquals([info.count, info.height, info.source["resize"], info.source["name"]], [3, 14, "area", "mnist"]);
  });
});

Deno.test("mnist says what is wrong with its files", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "idx");
    const failure = async (files: Readonly<Record<string, Uint8Array>>, without = "") => {
      await lay(path, { ...FILES, ...files });
      if (without !== "") await Deno.remove(join(path, without));
      const { end } = await runStage(folder, datasetKind, { params: { source: "mnist", path } });
      return end?.status === "failed" ? end.message : `ended ${end?.status}`;
    };
    const labels = "train-labels-idx1-ubyte";
    assertStringIncludes(await failure({}, `${labels}.gz`), `only some of its files, wanted ${labels}`);
    const few = makeIdx([5], new Uint8Array(5));
    assertEquals(await failure({ [`${labels}.gz`]: few }), `${labels}, IDX file: got shape [5], wanted [60000]`);
    const eleven = makeIdx([60_000], new Uint8Array(60_000).fill(11, 7));
    assertEquals(await failure({ [`${labels}.gz`]: eleven }), `${labels}, label 7: got 11, wanted 0 to 9`);
    const cut = FILES["t10k-images-idx3-ubyte.gz"]!.subarray(0, 1000);
    assertStringIncludes(await failure({ "t10k-images-idx3-ubyte.gz": cut }), "t10k-images-idx3-ubyte, gzip file");
  });
});

const installed = "/usr/share/datasets/fashion-mnist";
const missing = skipTestsUnless(
  await Deno.stat(installed).then((info) => info.isDirectory, () => false),
  "Debian's package dataset-fashion-mnist is not installed (the real files)",
);

Deno.test({
  name: "fashion-mnist is what its authors say it is",
  ignore: missing,
  fn: async () => {
    await withFolder(async (folder) => {
      const { outputs } = await runStage(folder, datasetKind, { params: { source: "fashion-mnist", path: installed } });
      const { pixels, labels } = await readImages(outputs["train"]!);
      assertEquals(Array.from({ length: 10 }, (_, label) => labels!.filter((one) => one === label).length), [
        ...new Array<number>(10).fill(6_000),
      ]);
      // Mean of x / 127.5 - 1, by numpy over the same files: -0.427919.
      const mean = pixels.reduce((sum, level) => sum + level, 0) / pixels.length / 127.5 - 1;
      assertEquals(mean.toFixed(6), "-0.427919");
    });
  },
});
