import { assertEquals, assertRejects } from "@std/assert";
import { type ImagesToWrite, readImages, writeImages } from "noiseline";
import { folderArtifact, openInput, openOutput } from "../../../engine/process/context.ts";
import { withFolder } from "./small_world.ts";

const SIZE = { height: 2, width: 3, channels: 1 };
const pixels = Uint8Array.from({ length: 18 }, (_, i) => i);

const written = async (folder: string, images: ImagesToWrite) => {
  await writeImages(openOutput(folder), images);
  const artifact = openInput(folderArtifact(folder, "images"));
  return { ...await readImages(artifact), files: artifact.files.map(({ path }) => path) };
};

Deno.test("writeImages() needs the size of an image and its pixels; all else has a default", async () => {
  await withFolder(async (folder) => {
    const { info, labels, files } = await written(folder, { info: SIZE, pixels });
    assertEquals(info, { ...SIZE, count: 3, classes: null, source: {} });
    assertEquals([labels, files], [undefined, ["images.json", "images.png", "images.safetensors"]]);
  });
  await withFolder(async (folder) => {
    const labels = Uint8Array.of(0, 4, 1);
    assertEquals((await written(folder, { info: SIZE, pixels, labels })).info.classes, 5);
    const named = { ...SIZE, classes: 10, source: { name: "mine" } };
    assertEquals((await written(folder, { info: named, pixels, labels })).info, { ...named, count: 3 });
  });
});

Deno.test("writeImages() refuses pixels and labels of other images", async () => {
  await withFolder(async (folder) => {
    const refused = async (images: ImagesToWrite) =>
      (await assertRejects(() => written(folder, images), RangeError)).message;
    const short = pixels.slice(1);
    assertEquals(
      await refused({ info: SIZE, pixels: short }),
      "Pixels of writeImages: got 17 bytes, wanted a multiple of 6, as images are 2x3x1",
    );
    assertEquals(
      await refused({ info: { ...SIZE, count: 4 }, pixels }),
      "Pixels of writeImages: got 18 bytes, wanted 24 for 4 images of 2x3x1",
    );
    assertEquals(
      await refused({ info: SIZE, pixels, labels: Uint8Array.of(0) }),
      "Labels of writeImages: got 1, wanted 3, one for each image",
    );
  });
});
