import { assertEquals, assertStringIncludes } from "@std/assert";
import { encode } from "fast-png";
import { dirname, join } from "node:path";
import { readImages } from "../../../artifacts/images.ts";
import { encodeNpz } from "../../../science/formats/npz.ts";
import type { NpyArray } from "../../../science/formats/npy.ts";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { imagesKind } from "../../support/builtin_kinds.ts";
import { digests, runStage } from "../../support/stage_context.ts";
import { pngsOf, scoredImages } from "../../support/scored_images.ts";
import { JPEGS } from "../science/formats/jpeg_fixtures.ts";
import { withFolder } from "./small_world.ts";

type Files = Readonly<Record<string, Uint8Array>>;

async function lay(root: string, files: Files): Promise<string> {
  await Deno.mkdir(root, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(root, name)), { recursive: true });
    await Deno.writeFile(join(root, name), bytes);
  }
  return root;
}

const run = (folder: string, path: string, params = {}) =>
  runStage(folder, imagesKind, { params: { path, ...params } });

async function failure(folder: string, path: string, params = {}): Promise<string> {
  const { end } = await run(folder, path, params);
  return end?.status === "failed" ? `${end.message}. ${end.fix}` : `ended ${JSON.stringify(end)}`;
}

const png = (width: number, height: number, level = 9) =>
  encodePng({ width, height, channels: 3, data: new Uint8Array(width * height * 3).fill(level) });

Deno.test("images are read as they are, and are the same artifact from a folder and from an npz", async () => {
  await withFolder(async (folder) => {
    const pixels = scoredImages(0, 5);
    const files = Object.fromEntries(pngsOf(pixels).map(([name, bytes], i) => [i < 3 ? name : `more/${name}`, bytes]));
    const path = await lay(join(folder, "drawn"), {
      ...files,
      "notes.txt": Uint8Array.of(1),
      ".hidden.png": png(3, 3),
    });
    const found = await run(folder, path);
    const { info, pixels: read, labels } = await readImages(found.outputs["images"]!);
    assertEquals(info, { count: 5, height: 24, width: 16, channels: 3, classes: null, source: { name: "given" } });
    assertEquals([read, labels], [pixels, undefined]);

    const npz = encodeNpz({ arr_0: { shape: [5, 24, 16, 3], data: pixels } });
    const array = join(await lay(folder, { "drawn.npz": npz }), "drawn.npz");
    assertEquals(digests(await run(folder, array)), digests(found));
    const { outputs } = await run(folder, path, { size: 8, channels: 1 });
    const small = await readImages(outputs["images"]!);
    assertEquals(small.shape, [5, 8, 8, 1]);
  });
});

Deno.test("folders that cannot be scored as they are are refused, with the files and what to do", async () => {
  const cases: Readonly<Record<string, readonly [files: Files, said: string]>> = {
    none: [{ "a.txt": Uint8Array.of(1) }, "got no image of its own, wanted PNG or JPEG files"],
    mixed: [
      { "a.png": png(4, 4), "b.png": png(5, 4), "c.png": png(4, 4), "d.png": png(4, 5) },
      "the images have 3 sizes, height x width: 4x4 (2 images, the first a.png), 4x5 (1 image, the first b.png), 5x4 " +
      "(1 image, the first d.png). set size to cut",
    ],
    broken: [
      { "a.png": png(4, 4), "b.png": png(4, 4).subarray(0, 50), "c.jpg": Uint8Array.of(1, 2), "d.gif": png(4, 4) },
      "3 files of 3 cannot be used:\n  b.png: ",
    ],
    alike: [
      Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`${10 + i}.png`, Uint8Array.of(1, 2)])),
      "80 files of 80 cannot be used:\n  10.png, 11.png, … (80 in all): neither PNG nor JPEG; convert it, or move it elsewhere.",
    ],
    result: [
      { "images.json": Uint8Array.of(1), "images.png": png(4, 4) },
      "a result is named by its pipeline and stage",
    ],
  };
  await withFolder(async (folder) => {
    for (const [name, [files, said]] of Object.entries(cases)) {
      assertStringIncludes(await failure(folder, await lay(join(folder, name), files)), said, name);
    }
    // A size makes squares of all.
    assertEquals((await run(folder, join(folder, "mixed"), { size: 4 })).end, undefined);
    // A header may claim any size; the pixels are never unpacked.
    const huge = png(4, 4);
    new DataView(huge.buffer).setUint32(16, 60_000);
    assertStringIncludes(await failure(folder, await lay(join(folder, "huge"), { "a.png": huge })), "cannot be used");
  });
});

Deno.test("transparent images are put on white, as dataset puts them, with one warning for all", async () => {
  const level = (x: number, alpha: number) => Array.from({ length: 16 }, () => [x, 2 * x, 3 * x, alpha]).flat();
  const encoded = (...of: Parameters<typeof level>) =>
    encode({ width: 4, height: 4, channels: 4, depth: 8, data: Uint8Array.from(level(...of)) });
  const files: Record<string, Uint8Array> = { "00.png": encoded(50, 255) };
  for (let i = 1; i <= 80; i++) files[`${`${i}`.padStart(2, "0")}.png`] = encoded(i, 3 * i);
  await withFolder(async (folder) => {
    const notes: string[] = [];
    const { outputs } = await runStage(folder, imagesKind, {
      params: { path: await lay(join(folder, "clear"), files) },
      onSaid: (event) => event.type === "warn" && notes.push(event.message),
    });
    assertEquals(notes, [
      "80 images with transparent pixels, the first 01.png: put on white, as dataset does; programs that drop " +
      "transparency would score other pixels",
    ]);
    const { pixels: data } = await readImages(outputs["images"]!);
    for (const i of [0, 1, 40, 80]) {
      const [x, alpha] = i === 0 ? [50, 255] : [i, 3 * i];
      const white = [x, 2 * x, 3 * x].map((value) => Math.round((alpha * value + (255 - alpha) * 255) / 255));
      assertEquals([...data.subarray(48 * i, 48 * i + 3)], white);
    }
  });
});

Deno.test("an npz without images is refused, with its name, what it has, and what to do in numpy", async () => {
  const array = (shape: number[], data: NpyArray["data"]) => ({ shape, data });
  const cases: Readonly<Record<string, readonly [arrays: Record<string, NpyArray>, said: string]>> = {
    other: [
      { images: array([1, 2, 2, 3], new Uint8Array(12)) },
      'other.npz: array arr_0: got only images, wanted uint8 (N, H, W, C), C 1 or 3. numpy.savez("other.npz", images) calls its array arr_0',
    ],
    float: [
      { arr_0: array([1, 2, 2, 3], new Float32Array(12)) },
      'got float32 (1, 2, 2, 3), wanted uint8 (N, H, W, C), C 1 or 3. arr_0.astype("uint8") for levels from 0 to 255; ' +
      '(arr_0 * 255).round().astype("uint8") for levels from 0 to 1, ((arr_0 + 1) * 127.5).round().astype("uint8") for levels from -1 to 1',
    ],
    deep: [
      { arr_0: array([1, 2, 2, 3], new Uint16Array(12)) },
      "got uint16 (1, 2, 2, 3), wanted uint8 (N, H, W, C), C 1 or 3. " +
      '(arr_0 / 257).round().astype("uint8") for levels from 0 to 65535; arr_0.astype("uint8") for levels from 0 to 255',
    ],
    grey: [{ arr_0: array([1, 2, 2], new Uint8Array(4)) }, "C 1 or 3. arr_0[..., None] has the channel of grey"],
    alpha: [{ arr_0: array([1, 2, 2, 4], new Uint8Array(16)) }, "C 1 or 3. arr_0[..., :3] has no alpha"],
    flat: [
      { arr_0: array([2, 6], new Uint8Array(12)) },
      "got uint8 (2, 6), wanted uint8 (N, H, W, C), C 1 or 3. give a folder",
    ],
    first: [
      { arr_0: array([1, 3, 8, 8], new Uint8Array(192)) },
      "got uint8 (1, 3, 8, 8), wanted uint8 (N, H, W, C), C 1 or 3. arr_0.transpose(0, 2, 3, 1) has the channels last",
    ],
    empty: [{ arr_0: array([0, 2, 2, 3], new Uint8Array()) }, "got uint8 (0, 2, 2, 3)"],
  };
  await withFolder(async (folder) => {
    for (const [name, [arrays, said]] of Object.entries(cases)) {
      await lay(folder, { [`${name}.npz`]: encodeNpz(arrays) });
      assertStringIncludes(await failure(folder, join(folder, `${name}.npz`)), said, name);
    }
    await lay(folder, { "photo.npz": JPEGS.baseline });
    assertStringIncludes(await failure(folder, join(folder, "photo.npz")), "photo.npz: got End of central directory");
  });
});

Deno.test("the number of images in a folder is known before anything runs", async () => {
  await withFolder(async (folder) => {
    const path = await lay(join(folder, "drawn"), { "a.png": png(4, 4), "b/c.jpeg": png(4, 4), "d.txt": png(4, 4) });
    const check = () => imagesKind.check!({ path: "drawn", channels: 3, size: undefined }, {}, {}, folder);
    assertEquals(check(), { problems: [], facts: { images: { channels: 3, count: 2 } } });
    await Deno.symlink(join(path, "a.png"), join(path, "e.png"));
    assertEquals(check().facts, { images: { channels: 3, count: 3 } });
    await lay(path, { "images.json": Uint8Array.of(1) });
    await Deno.remove(join(path, "e.png"));
    assertEquals(check().facts, { images: { channels: 3 } });
    await Deno.remove(path, { recursive: true });
    assertEquals(check().facts, { images: { channels: 3 } });
    await lay(path, { "d.txt": png(4, 4) });
    assertEquals(check().problems.map(({ param }) => param), [["path"]]);
  });
});

Deno.test("images of 16 bits are rounded to 8, and the stage says which and how many", async () => {
  await withFolder(async (folder) => {
    const deep = encodePng({ width: 4, height: 4, channels: 3, data: new Uint16Array(48).fill(0x8123) });
    const said = async (files: Files) => {
      const path = await lay(await Deno.makeTempDir({ dir: folder }), files);
      const messages: string[] = [];
      const { end, outputs } = await runStage(folder, imagesKind, {
        params: { path },
        onSaid: (event) => event.type === "warn" && messages.push(event.message),
      });
      assertEquals(end, undefined);
      return [messages, (await readImages(outputs["images"]!)).pixels[48]];
    };
    assertEquals(await said({ "a.png": png(4, 4), "b.png": png(4, 4) }), [[], 9]);
    const about = ": rounded to 8, as features of images are; dataset with depth: 16 keeps them";
    const one = `1 image of 16 bits a channel, the first b.png${about}`;
    assertEquals(await said({ "a.png": png(4, 4), "b.png": deep }), [[one], 0x81]);
    const three = { "a.png": png(4, 4), "b.png": deep, "c.png": deep, "d.png": deep };
    assertEquals(await said(three), [[one.replace("1 image", "3 images")], 0x81]);
  });
});
