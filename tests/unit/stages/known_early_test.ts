import { assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { encodeNpy } from "../../../science/formats/npy.ts";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { labelsOfValues } from "../../../stages/dataset/items.ts";
import { classesOfTable, labelsOfTable } from "../../../stages/dataset/labels.ts";

import { openImages } from "../../../artifacts/image_files.ts";
import { isOfVectors } from "../../../stages/score/params.ts";
import { datasetKind } from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";
import { Project } from "../../support/project.ts";
import { runCli } from "../cli/capture.ts";
import { withFolder } from "./small_world.ts";

const FILES = {
  "pictures/a.png": encodePng({ width: 4, height: 4, channels: 1, data: new Uint8Array(16) }),
  "integers.npy": encodeNpy({ shape: [20, 4, 4], data: new Uint16Array(320) }),
  "floats.npy": encodeNpy({ shape: [20, 4, 4, 1], data: new Float32Array(320) }),
};

/** Data sets of other numbers than bytes. The size of most is known only to the run, or to the header of a file. */
const SETS: Readonly<Record<string, readonly [dtype: string, params: string]>> = {
  "16 bits, in a folder": ["uint16", "source: folder, path: pictures, labels: none, channels: 1, depth: 16"],
  "16 bits, in a zip that is not there yet": [
    "uint16",
    `source: zip, url: "https://example.org/x.zip", sha256: { x: ${"a".repeat(64)} }, depth: 16`,
  ],
  "16 bits, resized": ["uint16", "source: folder, path: pictures, labels: none, size: 8, channels: 1, depth: 16"],
  "integers of an array": ["uint16", "source: numpy, path: integers.npy"],
  "floats of an array": ["float32", "source: numpy, path: floats.npy"],
  "floats of an array, with its shape": ["float32", "source: numpy, path: floats.npy, shape: [1, 16, 1]"],
};

/** Stages that need bytes, or integers, and where the message of each points. */
const NEEDS: Readonly<Record<string, readonly [stage: string, of: RegExp]>> = {
  "features of data": ["uses: features, inputs: { images: set.test }, with: { extractor: inception-2015-12-05 }", /./],
  "features of samples": ["uses: features, inputs: { images: drawn }, with: { extractor: inception-2015-12-05 }", /./],
  "features of a graph": [
    "uses: features, inputs: { images: drawn }, with: { extractor: onnx, url: 'https://example.org/x', " +
    `sha256: ${"b".repeat(64)}, preprocess: { size: 8 } }`,
    /./,
  ],
  "a variance that is learned": [
    "uses: train, inputs: { images: set.train, schedule: schedule }, with: { variance: learned, steps: 1, batchSize: 1 }",
    /./,
  ],
  "bits per dimension": [
    "uses: evaluate, inputs: { checkpoint: train, images: set.test }, with: { bound: { timesteps: 2 }, buckets: 1 }",
    /float32/,
  ],
};

const pipeline = (set: string, needing: string) =>
  `name: p
stages:
  set: { uses: dataset, with: { ${set} } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  train:
    uses: train
    inputs: { images: set.train, schedule: schedule }
    with: { steps: 1, batchSize: 1, model: { channels: 4, multipliers: [1], blocks: 1, attention: [] } }
  drawn: { uses: sample, inputs: { checkpoint: train }, with: { count: 4 } }
  needing: { ${needing} }
`;

Deno.test("what needs bytes or integers is refused before anything runs, whether or not the size is known", async () => {
  await using project = new Project();
  for (const [name, bytes] of Object.entries(FILES)) project.write(name, bytes);
  for (const [set, [dtype, params]] of Object.entries(SETS)) {
    for (const [need, [stage, of]] of Object.entries(NEEDS)) {
      project.write("p.yaml", pipeline(params, stage));
      const { code, error } = await runCli("validate", project.path("p.yaml"));
      const wanted = of.test(dtype) ? 2 : 0;
      assertEquals(code, wanted, `${set}, ${need}: ${error}`);
      if (wanted === 2) assertStringIncludes(error, `got:    images of ${dtype}`, `${set}, ${need}`);
    }
  }
});

Deno.test("a header tells the size of an array's items and the type of their numbers; without it the type is unknown", async () => {
  await withFolder(async (folder) => {
    for (const [name, bytes] of Object.entries(FILES)) {
      if (name.endsWith(".npy")) await Deno.writeFile(join(folder, name), bytes);
    }
    const facts = (params: Readonly<Record<string, unknown>>) =>
      datasetKind.check!(datasetKind.params.parse({ source: "numpy", ...params }), {}, {}, folder).facts!["train"];
    const square = { height: 4, width: 4, channels: 1, count: 18 };
    assertEquals(facts({ path: "integers.npy" }), { ...square, dtype: "uint16", classes: null });
    const floats = { dtype: "float32", unbounded: true, classes: null };
    assertEquals(facts({ path: "floats.npy" }), { ...square, ...floats });
    const signals = { height: 1, width: 16, channels: 1 };
    assertEquals(facts({ path: "floats.npy", shape: [1, 16, 1] }), { ...signals, ...floats, count: 18 });
    // A declared range limits floats, and moments leave integers without one.
    const ranged = facts({ path: "floats.npy", normalize: { range: [0, 1] } });
    assertEquals(ranged, { ...square, dtype: "float32", classes: null });
    const scaled = facts({ path: "integers.npy", normalize: "moments" });
    assertEquals(scaled, { ...square, dtype: "uint16", unbounded: true, classes: null });
    for (const path of ["none.npy", "pictures"]) {
      assertEquals(facts({ path, shape: [1, 16, 1] }), { ...signals, dtype: null, classes: null });
      assertEquals(facts({ path, labels: { column: "y" } }), { dtype: null });
    }
  });
});

Deno.test("a header tells how many items of an array each split has, as the run finds", async () => {
  const numbers = fc.record({
    rows: fc.integer({ min: 2, max: 60 }),
    limit: fc.option(fc.integer({ min: 2, max: 70 }), { nil: undefined }),
    testCount: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(numbers, async ({ rows, ...params }) => {
      await withFolder(async (folder) => {
        const path = join(folder, "a.npy");
        await Deno.writeFile(path, encodeNpy({ shape: [rows, 3], data: new Float32Array(3 * rows).map((_, i) => i) }));
        const given = { source: "numpy", path, ...params };
        const { facts, problems } = datasetKind.check!(datasetKind.params.parse(given), {}, {}, folder);
        const { end, outputs } = await runStage(folder, datasetKind, { params: given });
        assertEquals(end?.status, problems.length === 0 ? undefined : "failed");
        if (end !== undefined) return;
        for (const split of ["train", "test"]) {
          using images = await openImages(outputs[split]!);
          assertEquals(facts![split]!["count"], images.info.count);
        }
        const skipped = datasetKind.check!(datasetKind.params.parse({ ...given, skip: "unreadable" }), {}, {}, folder);
        assertEquals(skipped.facts!["train"]!["count"], undefined);
      });
    }),
    { numRuns: 30 },
  );
});

Deno.test("a batch or buckets that an array is too small for are refused before anything runs", async () => {
  await using project = new Project();
  project.write("floats.npy", FILES["floats.npy"]);
  const small = "model: { channels: 4, multipliers: [1], blocks: 1, attention: [] }";
  const training = "uses: train, inputs: { images: set.train, schedule: schedule }";
  const measuring = "uses: evaluate, inputs: { checkpoint: train, images: set.test }";
  for (
    const [stage, code] of [
      [`${training}, with: { steps: 1, batchSize: 18, ${small} }`, 0],
      [`${training}, with: { steps: 1, batchSize: 19, ${small} }`, 2],
      [`${measuring}, with: { buckets: 2 }`, 0],
      [`${measuring}, with: { buckets: 3 }`, 2],
    ] as const
  ) {
    project.write("p.yaml", pipeline("source: numpy, path: floats.npy", stage));
    const got = await runCli("validate", project.path("p.yaml"));
    assertEquals(got.code, code, `${stage}: ${got.error}`);
  }
});

Deno.test("only what is known to be no vector is treated as none", () => {
  const point = { height: 1, width: 1, channels: 2 };
  assertEquals(isOfVectors({ ...point, dtype: "float32" }), true);
  assertEquals(isOfVectors({ ...point, dtype: null }), undefined);
  assertEquals(isOfVectors({ dtype: "float32" }), undefined);
  assertEquals(isOfVectors({ dtype: null }), undefined);
  for (const form of [point, {}, undefined]) assertEquals(isOfVectors(form), false);
  assertEquals(isOfVectors({ height: 8, width: 8, channels: 1, dtype: null }), false);
});

/** Class names that a table must quote, or that look like numbers or endings of lines. */
const cell = fc.oneof(
  fc.constantFrom(
    "cat",
    "Möwe",
    "a, b",
    'say "x"',
    "two\nlines",
    "two\r\nlines",
    " space ",
    "tab\there",
    "07",
    "3",
    "1e3",
  ),
  fc.string({ minLength: 1, maxLength: 6, unit: "grapheme" }),
);
const tables = fc.record({
  rows: fc.array(cell, { minLength: 1, maxLength: 8 }),
  column: fc.constantFrom("label", "class, or kind", "naïve"),
  kind: fc.constantFrom("csv", "tsv", "jsonl"),
  quoted: fc.boolean(),
  end: fc.constantFrom("\n", "\r\n"),
  isEnded: fc.boolean(),
  mark: fc.constantFrom("", "\ufeff"),
  first: fc.boolean(),
});

Deno.test("a table tells the classes of images before they are read, and the same as with them", async () => {
  await withFolder(async (folder) => {
    await fc.assert(
      fc.asyncProperty(tables, async ({ rows, column, kind, quoted, end, isEnded, mark, first }) => {
        const path = join(folder, `labels.${kind}`);
        const [delimiter, inOrder] = [kind === "tsv" ? "\t" : ",", (pair: string[]) => first ? pair.reverse() : pair];
        const written = (text: string) => quoted || /[",\r\n\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
        const lines = kind === "jsonl"
          ? rows.map((label, i) => JSON.stringify({ file_name: `${i}.png`, [column]: label }))
          : [["file_name", column], ...rows.map((label, i) => [`${i}.png`, label])]
            .map((pair) => inOrder(pair).map(written).join(delimiter));
        await Deno.writeTextFile(path, `${kind === "jsonl" ? "" : mark}${lines.join(end)}${isEnded ? end : ""}`);
        const labels = await labelsOfTable(path, { column }, rows.map((_, i) => `${i}.png`));
        assertEquals(labels, labelsOfValues(rows, String));
        if (typeof labels === "string") return;
        const known = classesOfTable(path, { column });
        assertEquals([known.classes, known.classNames], [labels.classes, labels.classNames]);
      }),
      { numRuns: 400 },
    );
  });
});

Deno.test("a class name that a table has not is refused before anything runs, with the nearest", async () => {
  await using project = new Project();
  project.write("pictures/a.png", FILES["pictures/a.png"]);
  project.write("pictures/b.png", FILES["pictures/a.png"]);
  project.write("labels.csv", 'label,file_name\nhorse,a.png\n"cat, grey",b.png\n');
  const text = pipeline("source: folder, path: pictures, labels: { file: labels.csv }", "")
    .replace("batchSize: 1,", "batchSize: 1, labels: {},").replace("count: 4", "count: 4, labels: [hors]")
    .replace(/ {2}needing.*\n/, "");
  project.write("p.yaml", text);
  const { code, error } = await runCli("validate", project.path("p.yaml"));
  assertEquals(code, 2);
  assertStringIncludes(error, 'did you mean "horse"?');
});

Deno.test("a table that is too large, or none, tells nothing", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "labels.csv");
    assertEquals(classesOfTable(path, {}), {});
    const row = "a.png,cat\n";
    await Deno.writeTextFile(path, `file_name,label\n${row.repeat(Math.ceil((4 << 20) / row.length))}`);
    assertEquals(classesOfTable(path, {}), {});
    await Deno.writeTextFile(path, 'file_name,label\na.png,cat\nb.png,"open\n');
    assertEquals(classesOfTable(path, {}), {});
  });
});
