import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { flipped } from "../../../science/diffusion/augmentations/pixels.ts";
import { builtinObjective } from "../../../science/diffusion/objectives.ts";
import { chainPath } from "../../../science/diffusion/path.ts";
import { makeBetas } from "../../../science/diffusion/schedule/betas.ts";
import { makeTables } from "../../../science/diffusion/schedule/tables.ts";
import { fromBuiltin } from "../../../engine/pipeline/load/kinds.ts";
import { keyParams } from "../../../engine/keys/keys.ts";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";
import { trainKind } from "../../support/builtin_kinds.ts";
import { imagesInMemory } from "../../../artifacts/image_files.ts";
import { makeBatches } from "../../../stages/train/batches.ts";

const COUNT = 12;
const [HEIGHT, WIDTH, CHANNELS] = [2, 3, 2];
const PIXELS = HEIGHT * WIDTH * CHANNELS;

/** Images that differ from one another and from their mirror images. */
const IMAGES = imagesInMemory({
  info: { count: COUNT, height: HEIGHT, width: WIDTH, channels: CHANNELS, classes: null, source: {} },
  values: Uint8Array.from({ length: COUNT * PIXELS }, (_, i) => i),
});
const path = chainPath(makeTables(makeBetas({ name: "ldm/cosine", timesteps: 50 })));
const OPTIONS = { objective: builtinObjective("eps"), path, batchSize: 4, seed: 3 };

function feedsOf(step: number, options: { dropout?: number; flip?: boolean; seed?: number } = {}) {
  return structuredClone(makeBatches(IMAGES, { ...OPTIONS, ...options }).at(step));
}

function imagesOf({ x0 }: Record<string, ArrayLike<number>>): number[][] {
  const bytes = Array.from(x0!, (value) => Math.round((value + 1) * 127.5));
  return Array.from({ length: OPTIONS.batchSize }, (_, i) => bytes.slice(i * PIXELS, (i + 1) * PIXELS));
}

function mirrored(image: readonly number[]): number[] {
  const size = { height: HEIGHT, width: WIDTH, channels: CHANNELS };
  return [...flipped({ image: Float32Array.from(image), ...size }, { mirrored: true })];
}

Deno.test("flipped() swaps columns and keeps rows and channels", () => {
  assertEquals(mirrored([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), [5, 6, 3, 4, 1, 2, 11, 12, 9, 10, 7, 8]);
});

Deno.test("makeBatches() feeds a dropout key only with dropout, another one at each step and for each seed", () => {
  assertEquals("dropoutKey" in feedsOf(1), false);
  assertEquals("dropoutKey" in feedsOf(1, { dropout: 0 }), false);
  const keys = [1, 2, 3].map((step) => feedsOf(step, { dropout: 0.1 })["dropoutKey"]!);
  keys.push(feedsOf(1, { dropout: 0.1, seed: 4 })["dropoutKey"]!);
  assert(keys.every((key) => key instanceof Int32Array && key.length === 2));
  assertEquals(new Set(keys.map(String)).size, 4);
});

Deno.test("makeBatches() is a pure function of seed and step, in any order of steps", () => {
  const options = { dropout: 0.1, flip: true };
  const batches = makeBatches(IMAGES, { ...OPTIONS, ...options });
  const straight = [1, 2, 3, 4, 5].map((step) => structuredClone(batches.at(step)));
  for (const step of [4, 1, 5, 2]) assertEquals(feedsOf(step, options), straight[step - 1]);
});

Deno.test("makeBatches() mirrors about half of the images, and changes nothing else", () => {
  let flipped = 0;
  const steps = 100;
  for (let step = 1; step <= steps; step++) {
    const { x0, ...rest } = feedsOf(step);
    const { x0: x0Flipped, ...restFlipped } = feedsOf(step, { flip: true });
    assertEquals(restFlipped, rest);
    const [plain, flips] = [imagesOf({ x0: x0! }), imagesOf({ x0: x0Flipped! })];
    plain.forEach((image, i) => {
      const isFlipped = flips[i]!.join() !== image.join();
      if (isFlipped) assertEquals(flips[i], mirrored(image));
      flipped += isFlipped ? 1 : 0;
    });
  }
  // 400 coin flips: 4.5 standard deviations are 45.
  assert(Math.abs(flipped - 200) < 45, `${flipped} of 400`);
});

Deno.test("an image is not mirrored alike in every epoch", () => {
  const seen = new Map<string, Set<string>>();
  for (let step = 1; step <= 30; step++) {
    for (const image of imagesOf(feedsOf(step, { flip: true }))) {
      const original = String([image, mirrored(image)].map(String).sort());
      seen.set(original, (seen.get(original) ?? new Set()).add(String(image)));
    }
  }
  assertEquals(seen.size, COUNT);
  assert([...seen.values()].every((forms) => forms.size === 2));
});

Deno.test("dropout and flip enter the keys of a train stage only where they are used", () => {
  const kind = fromBuiltin(BUILTIN_KINDS["train"]!);
  const keysOf = (params: Record<string, unknown>) => keyParams(kind, trainKind.params.parse({ steps: 1, ...params }));
  const plain = keysOf({});
  assertEquals(Object.keys(plain).filter((name) => name === "dropout" || name === "flip"), []);
  assertEquals(keysOf({ dropout: 0, flip: false }), plain);
  assertEquals(keysOf({ dropout: 0.1, flip: true }), { ...plain, dropout: 0.1, flip: true });
  for (const dropout of [-0.1, 1]) assertNotEquals(trainKind.params.safeParse({ steps: 1, dropout }).success, true);
});
