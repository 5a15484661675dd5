import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { encode } from "fast-png";
import { dirname, join } from "node:path";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { datasetKind } from "../../support/builtin_kinds.ts";
import { readImages } from "../../../artifacts/images.ts";
import { digests, runStage } from "../../support/stage_context.ts";
import { JPEGS, withOrientation } from "../science/formats/jpeg_fixtures.ts";
import { withFolder } from "./small_world.ts";

type Files = Readonly<Record<string, Uint8Array>>;

function flat(width: number, height: number, rgb: readonly [number, number, number]): Uint8Array {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => rgb[i % 3]!);
  return encodePng({ width, height, channels: 3, data });
}

async function lay(root: string, files: Files): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(root, name)), { recursive: true });
    await Deno.writeFile(join(root, name), bytes);
  }
}

async function readFolder(folder: string, path: string, params: Readonly<Record<string, unknown>> = {}) {
  const outcome = await runStage(folder, datasetKind, { params: { source: "folder", path, size: 4, ...params } });
  if (outcome.end !== undefined) throw new Error(JSON.stringify(outcome.end));
  const [train, test] = [await readImages(outcome.outputs["train"]!), await readImages(outcome.outputs["test"]!)];
  return { train, test, digests: digests(outcome) };
}

async function failure(folder: string, path: string, params: Readonly<Record<string, unknown>> = {}) {
  const { end } = await runStage(folder, datasetKind, { params: { source: "folder", path, size: 4, ...params } });
  return end?.status === "failed" ? `${end.message}; ${end.fix}` : `ended ${JSON.stringify(end)}`;
}

const COLOURS: Files = Object.fromEntries(
  ["b/red", "b/dark", "a/green", "a/lime", "c/blue", "c/navy"].map((name, i) => [
    `${name}.png`,
    flat(5 + i, 9 - i, [i * 40, 255 - i * 40, i * 7]),
  ]),
);

Deno.test("folder reads sub-folders as labels, in code-unit order, the same at every run", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "images");
    await lay(path, { ...COLOURS, "notes.txt": new Uint8Array([1]), ".hidden.png": new Uint8Array([1]) });
    const first = await readFolder(folder, path, { testCount: 2 });
    assertEquals(first.digests, (await readFolder(folder, path, { testCount: 2 })).digests);
    const { train, test } = first;
    assertEquals([train.info.count, test.info.count, train.info.classes], [4, 2, 3]);
    assertEquals(train.info.source, { name: "folder", split: "train", classNames: ["a", "b", "c"] });
    // Images of one colour stay the same however they are cropped, and their red identifies them: names in code-unit
    // order.
    const order = ["a/green", "a/lime", "b/dark", "b/red", "c/blue", "c/navy"];
    const reds = [80, 120, 40, 0, 160, 200];
    for (const images of [train, test]) {
      const places = Array.from({ length: images.info.count }, (_, n) => reds.indexOf(images.pixels[n * 48]!));
      assertEquals(places, [...places].sort());
      assertEquals([...images.labels!], places.map((place) => "abc".indexOf(order[place]![0]!)));
    }
  });
});

Deno.test("folder reads PNG and JPEG of all kinds, upright and on white", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "images");
    const clear = encode({ width: 6, height: 4, channels: 4, depth: 8, data: new Uint8Array(96) });
    const deep = encode({ width: 4, height: 4, channels: 1, depth: 16, data: new Uint16Array(16).fill(0x8080) });
    await lay(path, {
      "1-clear.png": clear,
      "2-deep.png": deep,
      // The bytes decide about the format, not the name.
      "3-misnamed.jpg": flat(4, 4, [9, 8, 7]),
      "4-photo.jpeg": withOrientation(JPEGS.baseline, 6),
      "5-photo.JPG": JPEGS.progressive,
    });
    const { train, test } = await readFolder(folder, path, { testCount: 1, depth: 8 });
    assertEquals([train.info.classes, train.labels], [null, undefined]);
    const all = new Map<string, number[]>();
    for (const { pixels, info } of [train, test]) {
      for (let n = 0; n < info.count; n++) {
        const image = [...pixels.subarray(n * 48, (n + 1) * 48)];
        all.set(image.slice(0, 3).join(), image);
      }
    }
    assertEquals(all.size, 5);
    assert(all.has("255,255,255") && all.has("128,128,128") && all.has("9,8,7"));
    const photos = [...all.values()].filter((image) => new Set(image).size > 8);
    // After a turn by 90 degrees, the gradient to the right becomes one downwards: red in row 3 exceeds red in row 0.
    const growth = photos.map((image) => [image[36]! - image[0]! > 50, image[9]! - image[0]! > 50]);
    assertEquals(growth.map(String).sort(), ["false,true", "true,false"]);
    const grey = await readFolder(folder, path, { channels: 1, testCount: 1, depth: 8 });
    assertEquals([grey.train.info.channels, grey.train.pixels.length], [1, 4 * 16]);
  });
});

Deno.test("folder names all files that it cannot use at once, with the reasons", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "images");
    const good = flat(4, 4, [1, 2, 3]);
    await lay(path, {
      ...COLOURS,
      "a/cut.png": good.subarray(0, good.length - 20),
      "a/text.jpg": new TextEncoder().encode("not an image at all, but long enough to be one"),
      "b/cut.jpeg": JPEGS.baseline.subarray(0, 500),
      "b/empty.png": new Uint8Array(),
      "c/new.webp": new Uint8Array([1]),
    });
    await lay(folder, { "outside.png": good });
    await Deno.symlink(join(folder, "outside.png"), join(path, "c", "link.png"));
    await Deno.symlink(join(path, "a", "green.png"), join(path, "c", "inside.png"));
    const lines = (await failure(folder, path)).split("\n");
    assertEquals(lines[0], "6 files of 13 cannot be used:");
    const wanted = [
      ["a/cut.png", "PNG: got chunk IDAT of 19 bytes, wanted 27"],
      ["a/text.jpg", "neither PNG nor JPEG; convert it"],
      ["b/cut.jpeg", "JPEG: got"],
      ["b/empty.png", "an empty file"],
      ["c/link.png", "a link that leads out of the folder, or nowhere"],
      ["c/new.webp", "neither PNG nor JPEG"],
    ] as const;
    assertEquals(lines.length, 1 + wanted.length);
    wanted.forEach(([name, reason], i) => {
      assert(lines[i + 1]!.startsWith(`  ${name}: `), lines[i + 1]);
      assertStringIncludes(lines[i + 1]!, reason);
    });
  });
});

Deno.test("folder refuses what is no data set", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "images");
    await Deno.mkdir(path);
    assertStringIncludes(await failure(folder, path), "there is no PNG or JPEG file in");
    await lay(path, { "one.png": flat(4, 4, [1, 2, 3]) });
    assertStringIncludes(await failure(folder, path), "leaves no images to train on: testCount 1 of 1 images");
    assertStringIncludes(await failure(folder, path), "of 1 images; add images");
    assertStringIncludes(await failure(folder, join(path, "one.png")), "one.png: got a file, wanted the folder");
    await lay(path, { "a/two.png": flat(4, 4, [1, 2, 3]) });
    assertStringIncludes(await failure(folder, path), "1 of 2 images is not in one of the sub-folders");
    assertEquals((await readFolder(folder, path, { labels: "none" })).train.info.classes, null);
  });
});

Deno.test("folder follows links that go round in a circle no further than once", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "images");
    await lay(path, COLOURS);
    await Deno.symlink(path, join(path, "a", "again"));
    const { train, test } = await readFolder(folder, path);
    assertEquals(train.info.count + test.info.count, 6);
  });
});
