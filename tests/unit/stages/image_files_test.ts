import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type ImagesToDescribe, openImages, openImagesWriter } from "../../../artifacts/image_files.ts";
import { readImages, writeImages } from "../../../artifacts/images.ts";
import {
  BYTES,
  denormalize,
  dtypeOf,
  formOf,
  normalize,
  rangeNormalizer,
  VALUE_TYPES,
  type Values,
} from "../../../science/diffusion/normalizer.ts";
import { folderArtifact, openInput, openOutput } from "../../../engine/process/context.ts";
import { disableFsync } from "../../../engine/store/files.ts";
import { ProgressStore, savedSteps } from "../../../engine/store/progress.ts";
import { FormatError } from "../../../science/formats/format_error.ts";
import { encodeNpz } from "../../../science/formats/npz.ts";
import { decodePng } from "../../../science/formats/png_decoder.ts";
import { withFolder } from "./small_world.ts";

const opened = (folder: string) => openInput(folderArtifact(folder, "images"));
const SIZE = { height: 2, width: 3, channels: 2 };
const LENGTH = 12;

const dtypes = fc.constantFrom(...Object.keys(VALUE_TYPES) as (keyof typeof VALUE_TYPES)[]);
/** Sets of images of all types, with labels of one byte, of two bytes, or none. */
const SETS = {
  dtype: dtypes,
  count: fc.integer({ min: 1, max: 9 }),
  part: fc.integer({ min: 1, max: 4 }),
  missing: fc.integer({ min: 0, max: 3 }),
  classes: fc.constantFrom(null, 3, 256, 257, 65_535),
  seed: fc.integer({ min: 1, max: 1000 }),
};
const sets = fc.record(SETS);

Deno.test("openImagesWriter() writes in parts what openImages() reads in any order, for every type", async () => {
  await fc.assert(
    fc.asyncProperty(sets, async ({ dtype, count, part, missing, classes, seed }) => {
      await withFolder(async (folder) => {
        const values: Values = VALUE_TYPES[dtype].from(
          Array.from({ length: count * LENGTH }, (_, i) => (i * seed) % 251),
        );
        const labels = Array.from({ length: count }, (_, i) => (i * seed) % (classes ?? 1));
        const info: ImagesToDescribe = { ...SIZE, count: count + missing, classes, dtype, source: {} };
        using writer = openImagesWriter(openOutput(folder), info);
        for (let at = 0; at < count; at += part) {
          const own = values.subarray(at * LENGTH, (at + part) * LENGTH) as Values;
          await writer.add(own, classes === null ? undefined : labels.slice(at, at + part));
        }
        await writer.finish();
        using images = await openImages(opened(folder));
        assertEquals([images.info.count, images.dtype], [count, dtype]);
        const order = Array.from({ length: count }, (_, i) => count - 1 - i);
        const wanted = order.flatMap((i) => [...values.subarray(i * LENGTH, (i + 1) * LENGTH)]);
        assertEquals([...images.rows(order)], wanted);
        assertEquals(images.labels && [...images.labels], classes === null ? undefined : labels);
      });
    }),
    { numRuns: 60 },
  );
});

const kills = fc.record({ ...SETS, cuts: fc.array(fc.nat(9), { minLength: 1, maxLength: 3 }) });

Deno.test("a writer goes on from what another one saved, and changes nothing of it", async () => {
  await fc.assert(
    fc.asyncProperty(kills, async ({ dtype, count, missing, classes, seed, cuts }) => {
      await withFolder(async (folder) => {
        disableFsync(folder);
        const values: Values = VALUE_TYPES[dtype].from(
          Array.from({ length: count * LENGTH }, (_, i) => (i * seed) % 251),
        );
        const info: ImagesToDescribe = { ...SIZE, count: count + missing, classes, dtype, source: {} };
        const states = `${folder}/states`;
        Deno.mkdirSync(states);
        const damaged: number[] = [];
        const progress = new ProgressStore(states, Infinity, () => {}, (step) => damaged.push(step));
        /** Writes images up to `until`, from the newest state unless it is the first writer. */
        const write = async (name: string, until: number, saveAt: readonly number[] = []) => {
          Deno.mkdirSync(`${folder}/${name}`);
          using writer = openImagesWriter(openOutput(`${folder}/${name}`), info);
          const saved = name === "whole" ? undefined : await progress.latest();
          if (saved !== undefined) await writer.resume(saved, "set", saved.step);
          for (let i = saved?.step ?? 0; i < until; i++) {
            const label = classes === null ? undefined : [(i * seed) % classes];
            await writer.add(values.subarray(i * LENGTH, (i + 1) * LENGTH) as Values, label);
            if (saveAt.includes(i + 1)) await progress.save(i + 1, await writer.save("set"));
          }
          if (until === count) await writer.finish();
          return folderArtifact(`${folder}/${name}`, "images").files;
        };
        const whole = await write("whole", count);
        // Each of these saves, goes on for a while, and is killed.
        const at = cuts.map((cut) => 1 + cut % count).sort((a, b) => a - b);
        for (const [i, save] of at.entries()) {
          await write(`killed ${i}`, Math.min(count - 1, save + 2), [save, save + 1]);
        }
        assertEquals(await write("last", count), whole);
        // And from each state that there is on the way.
        for (const step of savedSteps(states)) {
          assertEquals(await write(`from ${step}`, count), whole);
          Deno.removeSync(`${states}/step-${step}`, { recursive: true });
        }
        assertEquals(damaged, []);
      });
    }),
    { numRuns: 25 },
  );
});

Deno.test("bytes that come in parts give the files of bytes that come at once", async () => {
  const pixels = Uint8Array.from({ length: 5 * LENGTH }, (_, i) => i);
  const labels = Uint8Array.of(2, 0, 1, 1, 2);
  const info = { ...SIZE, count: 5, classes: 3, source: { name: "test" } };
  const digests = (folder: string) =>
    opened(folder).files.filter(({ path }) => !path.endsWith(".png")).map(({ path, sha256 }) => [path, sha256]);
  await withFolder(async (whole) => {
    await writeImages(openOutput(whole), { info, pixels, labels });
    await withFolder(async (parts) => {
      using writer = openImagesWriter(openOutput(parts), info);
      for (let i = 0; i < 5; i++) await writer.add(pixels.slice(i * LENGTH, (i + 1) * LENGTH), [labels[i]!]);
      await writer.finish();
      assertEquals(digests(parts), digests(whole));
      assertEquals((await readImages(opened(parts))).pixels, pixels);
    });
  });
});

Deno.test("a set of several files has the images and labels of all", async () => {
  await withFolder(async (folder) => {
    // 1 x 16,384 x 1,024 floats are 64 MiB: four images fill a file, and a set of more than one is not kept in memory.
    const size = { height: 1, width: 16_384, channels: 1_024 };
    const length = size.width * size.channels;
    const info: ImagesToDescribe = { ...size, count: 6, classes: 9, dtype: "float32", source: {} };
    using writer = openImagesWriter(openOutput(folder), info);
    for (let i = 0; i < 6; i++) await writer.add(new Float32Array(length).fill(i), [i]);
    assertEquals((await writer.finish()).files, [4, 2]);
    const names = ["images-00000.safetensors", "images-00001.safetensors", "images.json", "images.png"];
    assertEquals(opened(folder).files.map(({ path }) => path), names);
    using images = await openImages(opened(folder));
    const order = [5, 0, 3, 4];
    const rows = images.rows(order);
    assertEquals(order.map((_, i) => [rows[i * length], rows[(i + 1) * length - 1]]), order.map((i) => [i, i]));
    assertEquals([...images.labels!], [0, 1, 2, 3, 4, 5]);
  });
});

Deno.test("whole files are links in what is saved, and a set of fewer files than were expected is read", async () => {
  await withFolder(async (folder) => {
    disableFsync(folder);
    // An image has 160 MiB, so that a file holds one.
    const info: ImagesToDescribe = { height: 1, width: 1, channels: 160 << 20, count: 3, classes: null, source: {} };
    const value = new Uint8Array(info.channels);
    for (const name of ["first", "second", "only", "states"]) Deno.mkdirSync(`${folder}/${name}`);
    const progress = new ProgressStore(`${folder}/states`, Infinity);
    const numbers = (name: string) => {
      const files = Array.from(Deno.readDirSync(`${folder}/${name}`), (file) => file.name).filter((one) =>
        /s$/.test(one)
      );
      return Object.fromEntries(files.sort().map((file) => [file, Deno.statSync(`${folder}/${name}/${file}`).ino]));
    };
    using first = openImagesWriter(openOutput(`${folder}/first`), info);
    for (const i of [0, 1]) await first.add(value.fill(i));
    await progress.save(2, await first.save("set"));
    using second = openImagesWriter(openOutput(`${folder}/second`), info);
    await second.resume((await progress.latest())!, "set", 2);
    assertEquals(numbers("second"), numbers("first"));
    await second.finish();
    using images = await openImages(opened(`${folder}/second`));
    assertEquals([...images.info.files!, images.rows([1])[5]], [1, 1, 1]);

    using only = openImagesWriter(openOutput(`${folder}/only`), info);
    await only.add(value.fill(7));
    await only.finish();
    using one = await openImages(opened(`${folder}/only`));
    assertEquals([one.info.count, one.info.files, one.rows([0])[5]], [1, undefined, 7]);
  });
});

Deno.test("readImages() refuses what is not bytes, and names what reads it", async () => {
  await withFolder(async (folder) => {
    await writeImages(openOutput(folder), { info: SIZE, pixels: new Float32Array(LENGTH) });
    const error = await assertRejects(() => readImages(opened(folder)), FormatError);
    assertEquals([error.got, error.wanted], ["12 numbers of float32", "uint8, at most 2 GiB"]);
    assertEquals(error.fix?.includes("openImages"), true);
  });
});

Deno.test("openImagesWriter() refuses numbers that are not finite, and labels that there are not", async () => {
  await withFolder(async (folder) => {
    const info: ImagesToDescribe = { ...SIZE, count: 2, classes: 3, dtype: "float32", source: {} };
    using writer = openImagesWriter(openOutput(folder), info);
    const bad = new Float32Array(LENGTH).fill(NaN, 3, 4);
    await assertRejects(() => writer.add(bad, [0]), FormatError, "image 0: got NaN");
    await assertRejects(() => writer.add(new Float32Array(LENGTH), [3]), FormatError, "label of image 0: got 3");
    await assertRejects(() => writer.add(new Uint8Array(LENGTH), [0]), RangeError);
  });
});

Deno.test("normalize() gives bytes exactly x / 127.5 - 1, and denormalize() what Ho et al. truncate", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const out = new Float32Array(256);
  normalize(bytes, out, BYTES.normalizer);
  assertEquals([...out], [...bytes].map((byte) => Math.fround(byte / 127.5 - 1)));
  assertEquals(
    [...denormalize(out, BYTES)],
    [...out].map((x) => Math.trunc(Math.min(255, Math.max(0, (x + 1) * 127.5)))),
  );
});

Deno.test("denormalize() gives back every 16-bit integer, and every float up to its rounding", () => {
  const integers = Uint16Array.from({ length: 65_536 }, (_, i) => i);
  const out = new Float32Array(65_536);
  const form = formOf({ dtype: "uint16" });
  normalize(integers, out, form.normalizer);
  assertEquals([out[0], out[65_535]], [-1, 1]);
  assertEquals(denormalize(out, form), integers);
  fc.assert(
    fc.property(
      fc.double({ min: -1e3, max: 1e3, noNaN: true }),
      fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
      (low, width) => {
        const normalizer = rangeNormalizer(low, low + width);
        const values = Float32Array.from([0, 0.25, 1], (share) => low + share * width);
        const units = new Float32Array(3);
        normalize(values, units, normalizer);
        const back = denormalize(units, { dtype: "float32", normalizer });
        // float32 has 24 bits; units are of size 1, stored values up to |low| + width.
        back.forEach((value, i) => {
          const allowed = 2 ** -22 * (Math.abs(low) + width);
          assertEquals(Math.abs(value - values[i]!) <= allowed, true, `${value}, not ${values[i]}`);
        });
      },
    ),
  );
});

Deno.test("a normaliser by channel maps each channel by its own numbers", () => {
  const normalizer = { how: "moments" as const, scale: [2, 10], shift: [1, -1] };
  const out = new Float32Array(4);
  normalize(Float32Array.of(4, 10, 0, -10), out, normalizer);
  assertEquals([...out], [1, 2, -1, 0]);
  assertEquals([...denormalize(out, { dtype: "float32", normalizer })], [4, 10, 0, -10]);
});

Deno.test("copies for other programs hold the values of any type and any number of channels, however they come", async () => {
  const count = 7;
  for (const Type of [Uint8Array, Uint16Array, Float32Array]) {
    for (const channels of [1, 2, 3, 4, 5]) {
      await withFolder(async (folder) => {
        const size = { height: 2, width: 3, channels };
        const length = 6 * channels;
        const pixels: Values = new Type(count * length).map((_: number, i: number) => 12_345 * i + 1);
        const labels = Uint8Array.of(3, 1, 0, 2, 2, 1, 0);
        const info = { ...size, count, classes: 4, source: {}, dtype: dtypeOf(pixels) };
        using writer = openImagesWriter(openOutput(folder), info, "grid.png", ["png", "npz"]);
        for (const [from, to] of [[0, 1], [1, 5], [5, 7]] as const) {
          await writer.add(pixels.subarray(from * length, to * length), labels.subarray(from, to));
        }
        await writer.finish();
        // fflate writes the whole at once.
        const arr_0 = { shape: [count, 2, 3, channels], data: pixels };
        assertEquals(
          Deno.readFileSync(`${folder}/samples.npz`),
          encodeNpz({ arr_0, arr_1: { shape: [7], data: labels } }),
        );
        const pngs = opened(folder).files.filter(({ path }) => path.startsWith("images/"));
        const hasPngs = channels < 5 && Type !== Float32Array;
        assertEquals(pngs.length, hasPngs ? count : 0);
        for (const [i, { path }] of pngs.entries()) {
          const { data, ...form } = decodePng(Deno.readFileSync(`${folder}/${path}`));
          assertEquals([form, data], [size, pixels.slice(i * length, (i + 1) * length)]);
        }
      });
    }
  }
});

Deno.test("latents are read in the form of their own encoder alone, and the record keeps it", async () => {
  await withFolder(async (folder) => {
    const [own, other] = ["a".repeat(64), "b".repeat(64)];
    const values = Float32Array.of(1, 2, 3, 4);
    const info = { count: 1, height: 2, width: 2, channels: 1, classes: null, source: {} };
    const form = { dtype: "float32", normalizer: { how: "factor", scale: [2], shift: [0] }, encoder: own } as const;
    using writer = openImagesWriter(openOutput(folder), { ...info, ...form });
    await writer.add(values);
    assertEquals((await writer.finish()).encoder, own);
    using images = await openImages(opened(folder));
    const out = new Float32Array(4);
    images.read([0], out);
    assertEquals([...out], [0.5, 1, 1.5, 2]);
    const error = assertThrows(() => images.read([0], out, { ...form, encoder: other }), FormatError);
    assertStringIncludes(error.message, "got latents of encoder aaaaaaaaaaaa, wanted latents of encoder bbbbbbbbbbbb");
    assertThrows(() => images.read([0], out, { normalizer: form.normalizer }), FormatError, "no latents");
  });
});
