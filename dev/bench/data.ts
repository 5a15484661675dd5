/**
 * Times random batches of a set of images that is read from disk, as training reads them, beside NumPy's memory map of
 * the same bytes; both in turns, in MB/s of stored bytes. The file is in the system's cache if there is memory for it.
 * Usage: deno task bench:data [--python PATH] [--items N] [--rounds N]
 */
import { join } from "node:path";
import { openImages, openImagesWriter } from "../../artifacts/image_files.ts";
import { printLine } from "../../cli/io.ts";
import { folderArtifact, openInput, openOutput } from "../../engine/process/context.ts";
import { makeTemporaryFolder } from "../../engine/store/folders.ts";
import { randomStream } from "../../science/tensor/mod.ts";
import { measure, printTable, ratios, spread } from "./support/measure.ts";
import { COUNT, pythonWith, readOptions } from "./support/options.ts";

const { python, items, rounds } = await readOptions(import.meta.url, {
  python: pythonWith("numpy", "NumPy"),
  items: COUNT.default(30_000),
  rounds: COUNT.default(5),
});
const [BATCH, STEPS, LENGTH] = [128, 200, 64 * 64 * 3];
const PEER = new URL("peers/numpy_batches.py", import.meta.url).pathname;

await using temporary = await makeTemporaryFolder();
const { folder } = temporary;
using raw = await Deno.open(join(folder, "raw"), { write: true, create: true });
Deno.mkdirSync(join(folder, "set"));
const facts = { height: 64, width: 64, channels: 3, count: items, classes: null, source: {} };
using writer = openImagesWriter(openOutput(join(folder, "set")), facts);
for (let i = 0; i < items; i++) {
  const image = crypto.getRandomValues(new Uint8Array(LENGTH));
  await raw.write(image);
  await writer.add(image);
}
await writer.finish();
using images = await openImages(openInput(folderArtifact(join(folder, "set"), "images")));
const order = randomStream({ seed: 0, stream: "bench" }).permutation(0, items);
const x = new Float32Array(BATCH * LENGTH);
const ours = () => {
  const started = performance.now();
  for (let step = 0; step < STEPS; step++) {
    const first = step * BATCH % (items - BATCH);
    images.read(order.subarray(first, first + BATCH), x);
  }
  return STEPS * BATCH * LENGTH / (performance.now() - started) / 1000;
};
const args = [PEER, join(folder, "raw"), `${items}`, `${BATCH}`, `${STEPS}`];
const [own, theirs]: [number[], number[]] = [[], []];
for (let round = 0; round < rounds; round++) {
  own.push(ours());
  if (python !== undefined) theirs.push(Number((await measure({ program: python, args }, "."))!.text));
}
printLine(`${items} images of 64x64x3, batches of ${BATCH} in random order, ${rounds} rounds`);
printTable([
  ["reader", "MB/s", "of NumPy"],
  ["noiseline", spread(own, 0), python === undefined ? "" : spread(ratios(own, theirs), 2)],
  ...python === undefined ? [] : [["NumPy memory map", spread(theirs, 0), ""]],
]);
