/**
 * Times Inception's features and distances between sets of features, ours against pytorch-fid (scipy's sqrtm) and
 * torch-fidelity. Both sides take turns in one call on the same numbers.
 * Usage: deno task bench:metrics [--python PATH] [--rounds N] [--quick]
 * The peers need a Python with scipy, pytorch-fid and torch-fidelity; without one only our side is measured.
 */
import { frechetDistance } from "../../science/metrics/frechet.ts";
import { kernelDistanceOfSubsets } from "../../science/metrics/kernel_distance.ts";
import { chunksOf, statisticsOf } from "../../science/metrics/statistics.ts";
import { range, vectorsOf } from "../../science/metrics/vectors.ts";
import { readTorchStateDict } from "../../science/formats/torch/state_dict.ts";
import { openInception } from "../../science/metrics/features/inception_network.ts";
import { makeTemporaryFolder } from "../../engine/store/folders.ts";
import { randomStream } from "../../science/tensor/mod.ts";
import { openFloat64Products } from "../../science/tensor/onnx/products.ts";
import { openDevice } from "../../science/tensor/implementations.ts";
import { type Contender, startContender } from "./support/contender.ts";
import { median, printTable, ratios } from "./support/measure.ts";
import { COUNT, pythonWith, readOptions, SWITCH } from "./support/options.ts";

const { python, rounds, quick } = await readOptions(import.meta.url, {
  python: pythonWith("numpy, scipy, pytorch_fid, torch_fidelity", "the libraries"),
  rounds: COUNT.default(3),
  quick: SWITCH,
});
await using products = openFloat64Products();
await using temporary = await makeTemporaryFolder();
const { folder } = temporary;

/**
 * Returns correlated features of `count` vectors, the same numbers for both sides: the caller writes them to a file
 * that the peer reads.
 */
function features(seed: number, count: number, dimension: number): Float32Array<ArrayBuffer> {
  const data = randomStream({ seed, stream: "bench" }).normal(0, count * dimension);
  for (let i = 1; i < data.length; i++) if (i % dimension !== 0) data[i] = 0.8 * data[i]! + 0.6 * data[i - 1]!;
  return data;
}

type PeerAnswer = Readonly<Record<"seconds" | "value", number>>;

/** A process of dev/bench/peers/metrics.py, which writes its weights to the folder; undefined without the libraries. */
const script = new URL("./peers/metrics.py", import.meta.url).pathname;
await using peer = python === undefined
  ? undefined
  : startContender({ name: "the libraries", command: python, args: [script, folder] });
await peer?.ask({ measure: "weights" });

const rows = [["", "noiseline", "the library", "its time to ours", "relative difference"]];

/**
 * Adds a row with the times of both sides, which take turns.
 * @param theirs request to the peer, if it can do the same
 */
async function measure(name: string, ours: () => Promise<number>, theirs?: Record<string, unknown>): Promise<void> {
  const [own, other]: number[][] = [[], []];
  let difference = "";
  for (let round = 0; round < rounds; round++) {
    const begin = performance.now();
    const value = await ours();
    own!.push((performance.now() - begin) / 1000);
    if (theirs === undefined || peer === undefined) continue;
    const answer = await peer.ask<PeerAnswer>(theirs);
    other!.push(answer.seconds);
    difference = (Math.abs(value - answer.value) / Math.abs(answer.value)).toExponential(1);
  }
  const seconds = (all: readonly number[]) => all.length === 0 ? "" : `${median(all).toFixed(2)} s`;
  const ratio = other!.length === 0 ? "" : `${median(ratios(other!, own!)).toFixed(2)} x`;
  rows.push([name, seconds(own!), seconds(other!), ratio, difference]);
}

function statisticsFor(data: Float32Array, dimension: number) {
  const vectors = vectorsOf(data, dimension);
  return statisticsOf(chunksOf(vectors, range(0, vectors.count)), dimension, products);
}

const [IMAGES, SIDE, BATCH] = [16, 32, 8];

/**
 * Times features by Inception with the peer's weights, for images of 32x32 in batches of 8, against both layouts of the
 * peer.
 */
async function measureInception(peer: Contender): Promise<void> {
  const images = Float32Array.from({ length: IMAGES * SIDE * SIDE * 3 }, (_, i) => (i * i) % 256);
  await Deno.writeFile(`${folder}/images.f32`, new Uint8Array(images.buffer));
  const device = await openDevice("onnx");
  try {
    const weights = await Deno.readFile(`${folder}/weights.pth`);
    const options = { shape: [BATCH, SIDE, SIDE, 3], resize: "pytorch-fid" } as const;
    const { extract, dimension } = await openInception(device, await readTorchStateDict(weights), options);
    const part = BATCH * SIDE * SIDE * 3;
    const ours = async () => {
      let sum = 0;
      for (let first = 0; first < images.length; first += part) {
        const { features } = await extract(Uint8Array.from(images.subarray(first, first + part)));
        sum += features.reduce((total, value) => total + value, 0);
      }
      return sum / IMAGES / dimension;
    };
    await ours();
    for (const batch of [BATCH, IMAGES]) {
      for (const layout of ["contiguous_format", "channels_last"]) {
        const theirs = { measure: "inception", images: "images.f32", side: SIDE, batch, layout };
        await peer.ask(theirs);
        await measure(`Inception, ${IMAGES} images; theirs by ${batch}, ${layout}`, ours, theirs);
      }
    }
  } finally {
    await device.dispose();
  }
}

if (peer !== undefined) await measureInception(peer);
for (const dimension of quick ? [64, 512] : [64, 512, 2048]) {
  const count = 2 * dimension;
  const [a, b] = [features(1, count, dimension), features(2, count, dimension)];
  await Deno.writeFile(`${folder}/a.f32`, new Uint8Array(a.buffer));
  await Deno.writeFile(`${folder}/b.f32`, new Uint8Array(b.buffer));
  const [x, y] = [await statisticsFor(a, dimension), await statisticsFor(b, dimension)];
  const name = `Frechet distance of two statistics, ${dimension} dimensions`;
  const theirs = { dimension, a: "a.f32", b: "b.f32", measure: "fd" };
  await measure(name, () => frechetDistance(x, y, products), theirs);
}
const [count, dimension] = quick ? [4_000, 512] : [50_000, 2_048];
const many = features(3, count, dimension);
const ours = async () => (await statisticsFor(many, dimension)).mean[0]!;
await measure(`statistics of ${count} x ${dimension} features`, ours);
const subsets = quick ? 5 : 100;
// For few vectors the subsets overlap and are taken from all pairs at once; for many vectors they are taken one by one.
for (const size of quick ? [2_000] : [2_000, 20_000]) {
  const part = (which: number) => many.subarray(which * size * dimension, (which + 1) * size * dimension);
  // The fake features have a larger variance than the real ones, so that their distance is not just zero with rounding
  // errors.
  const [real, fake] = [part(0), part(1).map((value) => 1.2 * value)];
  for (const [name, data] of [["a", real], ["b", fake]] as const) {
    await Deno.writeFile(`${folder}/${name}.f32`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  const order = randomStream({ seed: 0, stream: "bench/kid" });
  const ours = async () => {
    const [x, y] = [real, fake].map((set, i) => {
      const vectors = vectorsOf(set, dimension);
      const subsetOf = (_: unknown, subset: number) => order.permutation(2 * subset + i, vectors.count).slice(0, 1_000);
      return { vectors, subsets: Array.from({ length: subsets }, subsetOf) };
    });
    return (await kernelDistanceOfSubsets(x!, y!, products)).mean;
  };
  const theirs = { dimension, a: "a.f32", b: "b.f32", measure: "kid", subsets };
  await measure(`kernel distance of ${size} and ${size}, ${subsets} subsets of 1000 x ${dimension}`, ours, theirs);
}
printTable(rows);
