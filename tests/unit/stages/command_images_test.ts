import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { openImages } from "../../../artifacts/image_files.ts";
import type { StageContext, StageEnd } from "../../../engine/contract/stage.ts";
import { folderArtifact, openInput } from "../../../engine/process/context.ts";
import { encodeNpy } from "../../../science/formats/npy.ts";
import { encodeNpz } from "../../../science/formats/npz.ts";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import checkCommand from "../../../stages/command/check.ts";
import { withFolder } from "./small_world.ts";

/** Checks files that a program left in an output of type images. @returns the end, and the set that they have become */
async function check(folder: string, files: Readonly<Record<string, Uint8Array>>) {
  for (const [name, bytes] of Object.entries(files)) {
    await Deno.mkdir(join(folder, name, ".."), { recursive: true });
    await Deno.writeFile(join(folder, name), bytes);
  }
  const output = {
    folder,
    write: async (name: string, content: string | Uint8Array) =>
      await Deno.writeFile(
        join(folder, name),
        typeof content === "string" ? new TextEncoder().encode(content) : content,
      ),
  };
  const context = { params: { outputs: { out: "images" } }, outputs: { out: output }, note() {} };
  const end = await checkCommand(context as unknown as StageContext) as StageEnd | undefined;
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  if (end !== undefined) return { end, names };
  using images = await openImages(openInput(folderArtifact(folder, "images")));
  return { end, names, shape: images.shape, labels: images.labels, values: [...images.rows([0])] };
}

const grey = (height: number, value: number) =>
  encodePng({ height, width: 2, channels: 1, data: new Uint8Array(height * 2).fill(value) });
const floats = (...values: number[]) => ({ shape: [values.length / 4, 2, 2, 1], data: Float32Array.from(values) });
const MADE = ["images.json", "images.png", "images.safetensors"];

/** Files by name, with the shape, labels and first image of the set that they become, or what is wrong with them. */
const CASES: Readonly<Record<string, readonly [Record<string, Uint8Array>, unknown, unknown?, unknown?]>> = {
  "PNGs, of which one has the name of the set's picture": [
    { "images.png": grey(2, 7), "z.png": grey(2, 9) },
    [2, 2, 2, 1],
    undefined,
    [7, 7, 7, 7],
  ],
  "PNGs in folders of classes": [
    { "a/1.png": grey(2, 7), "b/1.png": grey(2, 9) },
    [2, 2, 2, 1],
    Uint8Array.of(0, 1),
    [7, 7, 7, 7],
  ],
  "an .npy of bytes": [
    { "x.npy": encodeNpy({ shape: [3, 1, 2], data: Uint8Array.of(1, 2, 3, 4, 5, 6) }) },
    [
      3,
      1,
      2,
      1,
    ],
    undefined,
    [1, 2],
  ],
  "an .npz with labels": [
    {
      "x.npz": encodeNpz({
        images: { shape: [1, 2, 2, 1], data: Uint16Array.of(0, 1, 2, 300) },
        labels: { shape: [1], data: Uint8Array.of(4) },
      }),
    },
    [1, 2, 2, 1],
    Uint8Array.of(4),
    [0, 1, 2, 300],
  ],
  "images of two sizes": [
    { "a.png": grey(2, 7), "b.png": grey(3, 9) },
    /the images differ.*2x2x1 of uint8 \(1 image, the first a\.png\), 3x2x1/,
  ],
  "an image that is none": [
    { "a.png": grey(2, 7), "b.png": Uint8Array.of(1) },
    /1 file of 2 cannot be used:\n {2}b\.png: /,
  ],
  "floats, of which nothing says the range": [
    { "x.npz": encodeNpz({ arr_0: floats(0, 0, 0, 0) }) },
    /the array: got float32, wanted uint8 or uint16/,
  ],
  "labels of others": [
    { "x.npz": encodeNpz({ arr_0: floats(0, 0, 0, 0), labels: { shape: [2], data: Uint8Array.of(4, 4) } }) },
    /x\.npz, labels: got shape \[2\], wanted \[1\]/,
  ],
  "an array cut off": [{ "x.npy": encodeNpy(floats(0, 0, 0, 0)).subarray(0, -3) }, /x\.npy: got 13 bytes/],
  "a set whose program died before its end": [
    { "images-00000.safetensors": new Uint8Array(600) },
    /images\.json: got only images-00000\.safetensors, wanted a file of this name/,
  ],
};

for (const [name, [files, wanted, labels, values]] of Object.entries(CASES)) {
  Deno.test(`an output of type images: ${name}`, async () => {
    await withFolder(async (folder) => {
      const got = await check(folder, files);
      if (wanted instanceof RegExp) assertMatch((got.end as { readonly message: string }).message, wanted);
      else {
        assertEquals(got.end, undefined);
        assertEquals([got.shape, got.labels, got.values], [wanted, labels, values]);
        assertEquals(got.names, MADE);
      }
    });
  });
}

for (const kind of ["link", "pipe"]) {
  Deno.test(`an output of type images: a ${kind} is not read, which may lead out of a box or never end`, async () => {
    await withFolder(async (folder) => {
      const [out, path] = [join(folder, "out"), join(folder, "out/x.npy")];
      await Deno.mkdir(out);
      await Deno.writeFile(join(folder, "x.npy"), encodeNpy({ shape: [1, 1, 1], data: Uint8Array.of(1) }));
      if (kind === "link") await Deno.symlink("../x.npy", path);
      else await new Deno.Command("mkfifo", { args: [path] }).output();
      const { end, names } = await check(out, {});
      assertMatch((end as { readonly message: string }).message, /x\.npy is a link, or no file/);
      assertEquals(names, ["x.npy"]);
    });
  });
}
