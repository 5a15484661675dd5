import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join, resolve } from "node:path";
import { openImages } from "../../../artifacts/image_files.ts";
import { readImages } from "../../../artifacts/images.ts";
import type { InputArtifact } from "../../../engine/contract/stage.ts";
import { encodeNpy } from "../../../science/formats/npy.ts";
import { datasetKind } from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";

/** Made by Python's zipfile and tarfile, NumPy and PyArrow: dev/data/make_source_fixtures.py. */
const GOLDEN = new URL("../../golden/sources/", import.meta.url).pathname;
const CLASSES = ["cat", "dog", "owl"];

type Params = Readonly<Record<string, unknown>>;
type Outputs = Readonly<Record<string, InputArtifact>>;

async function withOutputs<T>(file: string, params: Params, then: (outputs: Outputs) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    const path = resolve(GOLDEN, file);
    const { end, outputs } = await runStage(folder, datasetKind, { params: { path, testCount: 3, ...params } });
    if (end !== undefined) throw new Error(JSON.stringify(end));
    return await then(outputs);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function read(file: string, params: Params) {
  const folder = await Deno.makeTempDir();
  try {
    const path = resolve(GOLDEN, file);
    const { end, outputs } = await runStage(folder, datasetKind, { params: { path, testCount: 3, ...params } });
    if (end !== undefined) return end;
    return { train: await readImages(outputs["train"]!), test: await readImages(outputs["test"]!) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The number of the image that pixels are of; undefined if they are not one that was written. */
function numberOf(pixels: Uint8Array): number | undefined {
  const wanted = (i: number) =>
    Array.from({ length: 36 }, (_, at) => {
      const [x, y, c] = [Math.floor(at / 3) % 4, Math.floor(at / 12), at % 3];
      return (20 * i + 3 * x + 5 * y + 7 * c) % 256;
    });
  return Array.from({ length: 12 }, (_, i) => i).find((i) => wanted(i).join() === [...pixels].join());
}

async function assertTwelve(file: string, params: Params, classNames: readonly string[] | undefined): Promise<void> {
  const got = await read(file, params);
  if ("status" in got) throw new Error(JSON.stringify(got));
  const seen: number[] = [];
  for (const split of ["train", "test"] as const) {
    const { info, pixels, labels } = got[split];
    assertEquals([info.height, info.width, info.channels, info.classes], [3, 4, 3, 3]);
    assertEquals(info.source, { name: params["source"], split, ...(classNames ? { classNames } : {}) });
    const own = Array.from({ length: info.count }, (_, n) => numberOf(pixels.subarray(n * 36, (n + 1) * 36))!);
    // Labels belong to their images.
    assertEquals([...labels!], own.map((i) => i % 3));
    seen.push(...own);
  }
  assertEquals([got.train.info.count, seen.sort((a, b) => a - b)], [9, Array.from({ length: 12 }, (_, i) => i)]);
}

Deno.test("a zip and a tar of folders are read as the folders would be, without unpacking them", async () => {
  await assertTwelve("folders.zip", { source: "zip" }, CLASSES);
  await assertTwelve("folders.tar.gz", { source: "tar" }, CLASSES);
});

Deno.test("EDM's dataset.json labels the images of its zip", async () => {
  await assertTwelve("edm.zip", { source: "zip" }, undefined);
  // Folders name labels only if asked to; there is one.
  const byFolder = await read("edm.zip", { source: "zip", labels: "folders" });
  assertEquals("train" in byFolder && byFolder.train.info.classes, 1);
});

Deno.test("a WebDataset's shards are labelled by .cls, or by a key of .json", async () => {
  await assertTwelve("shard-000000.tar", { source: "tar" }, undefined);
  await assertTwelve("shard-000000.tar", { source: "tar", labels: { column: "kind" } }, CLASSES);
  const plain = await read("shard-000000.tar", { source: "tar", labels: "none" });
  assertEquals("train" in plain && plain.train.labels, undefined);
  const wrong = await read("shard-000000.tar", { source: "tar", labels: { column: "colour" } });
  assertStringIncludes(JSON.stringify(wrong), "sample000000.png has no label: got nothing");
});

Deno.test("NumPy's arrays are read by row, with labels from another array", async () => {
  await assertTwelve("images.npy", { source: "numpy", labels: { file: join(GOLDEN, "labels.npy") } }, undefined);
  await assertTwelve("arrays.npz", { source: "numpy", labels: { column: "y" } }, undefined);
  await assertTwelve("arrays.npz", { source: "numpy", column: "x", labels: { column: "y" } }, undefined);
});

Deno.test("16-bit integers and floats are stored as they are, with a normaliser of their own", async () => {
  const deep = await withOutputs("deep.npy", { source: "numpy" }, async (outputs) => {
    using images = await openImages(outputs["train"]!);
    const rows = images.rows([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    // Level v of a byte is 257 v of 16 bits, and 9 of the 12 images are to train on.
    assert(rows.length === 9 * 12 && rows.every((level) => level % 257 === 0));
    return { ...images.info, normalizer: images.normalizer };
  });
  assertEquals([deep.dtype, deep.height, deep.width, deep.channels, deep.classes], ["uint16", 3, 4, 1, null]);
  assertEquals(deep.normalizer, { how: "range", scale: [32_767.5], shift: [1] });
  const params = { source: "numpy", shape: [1, 1, 2], labels: { column: "arr_1" } };
  await withOutputs("points.npz", params, async (outputs) => {
    using train = await openImages(outputs["train"]!);
    using test = await openImages(outputs["test"]!);
    assertEquals([train.dtype, ...train.shape, train.normalizer.how], ["float32", 9, 1, 1, 2, "moments"]);
    // numpy.linspace(-1, 2, 24) in pairs.
    const points = [...train.rows([0, 1, 2, 3, 4, 5, 6, 7, 8]), ...test.rows([0, 1, 2])].sort((a, b) => a - b);
    points.forEach((value, i) => assert(Math.abs(value - (-1 + 3 * i / 23)) < 1e-6, `${i}: ${value}`));
    // Training values have mean 0 and deviation 1 in each channel, and the test split has the same map.
    const seen = new Float32Array(18);
    train.read([0, 1, 2, 3, 4, 5, 6, 7, 8], seen);
    for (const channel of [0, 1]) {
      const own = [...seen].filter((_, i) => i % 2 === channel);
      const mean = own.reduce((sum, value) => sum + value, 0) / 9;
      assert(Math.abs(mean) < 1e-6 && Math.abs(own.reduce((sum, value) => sum + value ** 2, 0) / 9 - 1) < 1e-5);
    }
    assertEquals(test.normalizer, train.normalizer);
  });
});

Deno.test("values that are not finite are refused with their rows, or left out", async () => {
  const values = Float32Array.from({ length: 24 }, (_, i) => i);
  values[7] = NaN;
  values[11] = -Infinity;
  const path = await Deno.makeTempFile({ suffix: ".npy" });
  await Deno.writeFile(path, encodeNpy({ shape: [12, 2], data: values }));
  const refused = JSON.stringify(await read(path, { source: "numpy" }));
  assertStringIncludes(refused, "2 items of 12 cannot be used:\\n  row 3: value 1 is NaN, which is no finite number");
  assertStringIncludes(refused, "row 5: value 1 is -Infinity");
  const count = await withOutputs(path, { source: "numpy", skip: "unreadable" }, async (outputs) => {
    using train = await openImages(outputs["train"]!);
    using test = await openImages(outputs["test"]!);
    return train.info.count + test.info.count;
  });
  assertEquals(count, 10);
  await Deno.remove(path);
});

Deno.test("Parquet is read by groups of rows, with Hugging Face's names of classes", async () => {
  await assertTwelve("parquet", { source: "parquet" }, CLASSES);
  const part = await read("parquet/train-00001.parquet", { source: "parquet", column: "image", labels: "none" });
  assertEquals("train" in part && [part.train.info.count, part.train.info.classes], [2, null]);
});

Deno.test("a file that is fetched is read like one that is there", async () => {
  const bytes = await Deno.readFile(join(GOLDEN, "folders.zip"));
  const downloads = await Deno.makeTempDir();
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => new Response(bytes));
  const sha256 = { "folders.zip": new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex() };
  const params = { source: "zip", url: `http://127.0.0.1:${server.addr.port}/folders.zip`, sha256 };
  const { end, outputs } = await runStage(downloads, datasetKind, { params, downloads });
  assertEquals([end, (await readImages(outputs["train"]!)).info.count], [undefined, 11]);
  await Deno.remove(downloads, { recursive: true });
});

/** Returns the names in the headers of a tar. */
function headers(tar: Uint8Array): string[] {
  const text = (from: number, to: number) => new TextDecoder().decode(tar.subarray(from, to)).replace(/\0.*/s, "");
  const names: string[] = [];
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0;) {
    names.push(text(at, at + 100));
    at += 512 * (1 + Math.ceil(Number.parseInt(text(at + 124, at + 136), 8) / 512));
  }
  return names;
}

Deno.test("a tar and a zip that are cut off anywhere are refused, and nobody waits for the rest", async () => {
  for (const [name, source, step] of [["shard-000000.tar", "tar", 512], ["folders.zip", "zip", 97]] as const) {
    const whole = await Deno.readFile(join(GOLDEN, name));
    // The marker of a tar's end is two blocks of zeros, and what follows it is padding.
    const end = source === "tar" ? 36 * 1024 : whole.length;
    for (let cut = 0; cut < end; cut += step) {
      const path = await Deno.makeTempFile();
      await Deno.writeFile(path, whole.subarray(0, cut));
      const got = await read(path, { source });
      await Deno.remove(path);
      const message = "status" in got && got.status === "failed" ? got.message : "";
      assertStringIncludes(message, path, `${cut} bytes of ${name}`);
      if (source === "zip") continue;
      // The name is one that is there: what was already unpacked may be lost with the error.
      const places = ["", ...headers(whole.subarray(0, cut)).map((name) => `, in or after ${name}`)]
        .map((place) => `${path}${place}, with ${cut} bytes read: got `);
      assert(places.some((place) => message.startsWith(place)), message);
    }
  }
});

Deno.test("sources that are not what they are said to be fail with one message that names the file", async () => {
  const cases: readonly (readonly [string, Params, string])[] = [
    ["images.npy", { source: "zip" }, "images.npy: got"],
    ["images.npy", { source: "tar" }, "images.npy, with 560 bytes read: got"],
    ["images.npy", { source: "parquet" }, "images.npy: got parquet file invalid"],
    ["edm.zip", { source: "numpy" }, "wanted column: the name of one of them"],
    ["folders.zip", { source: "zip", labels: { column: "x" } }, "cat/00.png has no label"],
    ["images.npy", { source: "numpy", shape: [3, 4, 4] }, "got items of [3,4,3], wanted [3,4,4]"],
    ["images.npy", { source: "numpy", labels: { file: join(GOLDEN, "images.npy") } }, "a label for each item"],
    ["labels.npy", { source: "numpy" }, "got <i8, wanted one of |u1, <u2, <f4"],
    ["points.npz", { source: "numpy", column: "z" }, "got no array z"],
    ["parquet", { source: "parquet", column: "picture" }, "wanted a column picture"],
    ["parquet", { source: "parquet", labels: { column: "kind" } }, "wanted a column kind"],
    ["parquet", { source: "tar" }, "parquet: got no tar file, wanted the file, or the folder of several"],
    ["parquet", { source: "zip" }, "parquet: got a folder, wanted the file"],
  ];
  for (const [file, params, says] of cases) {
    const end = await read(file, params);
    assertStringIncludes("status" in end && end.status === "failed" ? end.message : JSON.stringify(end), says);
  }
});
