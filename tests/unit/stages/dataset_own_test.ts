import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { encode } from "fast-png";
import { dirname, join } from "node:path";
import { openImages } from "../../../artifacts/image_files.ts";
import { readImages } from "../../../artifacts/images.ts";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { datasetKind } from "../../support/builtin_kinds.ts";
import { digests, runStage } from "../../support/stage_context.ts";
import { withFolder } from "./small_world.ts";

const PNG = encodePng({ width: 4, height: 3, channels: 3, data: new Uint8Array(36).fill(9) });
const NAMES = Array.from({ length: 6 }, (_, i) => `${"abc"[i % 3]}/${i}.png`);

async function lay(root: string, files: Readonly<Record<string, Uint8Array | string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(root, name)), { recursive: true });
    await Deno.writeFile(join(root, name), typeof content === "string" ? new TextEncoder().encode(content) : content);
  }
}

/** Runs the stage on a folder that it is in, and returns what it says, and its outputs. */
async function run(path: string, params: Readonly<Record<string, unknown>>) {
  const said: string[] = [];
  const outcome = await runStage(dirname(path), datasetKind, {
    params: { source: "folder", path, testCount: 2, ...params },
    onSaid: (event) => "message" in event && said.push(event.message),
  });
  const { end } = outcome;
  return { outcome, said, failed: end?.status === "failed" ? `${end.message}\n${end.fix}` : "" };
}

async function inFolder(
  files: Readonly<Record<string, Uint8Array | string>>,
  then: (path: string) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const path = join(folder, "own");
    await lay(path, files);
    await then(path);
  });
}

const same = (content: Uint8Array, names: readonly string[] = NAMES) => {
  return Object.fromEntries(names.map((name) => [name, content]));
};

Deno.test("images stay as they are without size, and have the size that is asked for, square or not", async () => {
  await inFolder(same(PNG), async (path) => {
    for (const [size, wanted] of [[undefined, [3, 4]], [5, [5, 5]], [[2, 7], [2, 7]]] as const) {
      const { outcome } = await run(path, { size });
      const { info, pixels } = await readImages(outcome.outputs["train"]!);
      assertEquals([info.height, info.width], wanted as unknown as number[]);
      assert(pixels.every((level) => level === 9));
    }
  });
});

Deno.test("mixed sizes without size are one message with counts and names", async () => {
  const wide = encodePng({ width: 5, height: 3, channels: 3, data: new Uint8Array(45) });
  await inFolder({ ...same(PNG), "a/wide.png": wide }, async (path) => {
    const { failed } = await run(path, {});
    assertStringIncludes(failed, "the images have 2 sizes, height x width: 3x4 (6 images, the first a/0.png), 3x5 (1");
    assertStringIncludes(failed, "set size");
    assertEquals((await run(path, { size: 4 })).failed, "");
  });
});

Deno.test("16 bits are never read as 8 without a word, nor 8 as 16", async () => {
  const deep = encode({ width: 4, height: 3, channels: 1, depth: 16, data: new Uint16Array(12).fill(0x8000) });
  await inFolder({ ...same(PNG), "a/deep.png": deep, "b/deep.png": deep }, async (path) => {
    const { failed } = await run(path, {});
    assertStringIncludes(failed, "samples have 16 bits (2 images, the first a/deep.png), wanted 8");
    assertStringIncludes(failed, "set depth: 8 to round those of 16 bits, or convert the others");
    assertEquals((await run(path, { depth: 8 })).failed, "");
    assertStringIncludes((await run(path, { depth: 16 })).failed, "samples have 8 bits (6 images");
  });
  await inFolder(same(deep), async (path) => {
    assertStringIncludes((await run(path, {})).failed, "set depth: 16 to keep all 16 bits, or depth: 8 to round them");
    const { outcome } = await run(path, { depth: 16, channels: 1, size: [2, 2] });
    using images = await openImages(outcome.outputs["train"]!);
    assertEquals([images.dtype, images.info.channels, images.normalizer.scale], ["uint16", 1, [32_767.5]]);
    assert(images.rows([0, 3]).every((level) => level === 0x8000));
    const found = await run(path, { depth: 16, normalize: "moments" });
    assertStringIncludes(found.failed, "all values of channel 0 are 32768");
  });
});

Deno.test("two and four channels keep alpha, one and three put it on white", async () => {
  const data = Uint8Array.from({ length: 48 }, (_, i) => [10, 20, 30, 128][i % 4]!);
  const clear = encode({ width: 4, height: 3, channels: 4, depth: 8, data });
  // (299 * 10 + 587 * 20 + 114 * 30) / 1000 = 18.15; on white as in the tests of flatten().
  const wanted = { 1: [136], 2: [18, 128], 3: [132, 137, 142], 4: [10, 20, 30, 128] };
  await inFolder(same(clear), async (path) => {
    for (const [channels, pixel] of Object.entries(wanted)) {
      const { outcome } = await run(path, { channels: Number(channels) });
      const { info, pixels } = await readImages(outcome.outputs["train"]!);
      assertEquals([info.channels, ...pixels.subarray(0, pixel.length)], [pixel.length, ...pixel]);
    }
  });
});

const CSV = NAMES.map((name, i) => `${name},${["owl", "cat, big"][i % 2]}`.replace("cat, big", '"cat, big"'));

Deno.test("a table labels images: CSV, TSV, JSON lines or EDM's JSON", async () => {
  const rows = NAMES.map((name, i) => ({ path: `./${name}`, kind: i % 2 }));
  const tables = {
    "../labels.csv": `\ufefffile_name,label\r\n${CSV.join("\r\n")}\r\n`,
    "../labels.tsv": `label\tfile_name\n${NAMES.map((name, i) => `${i % 2}\t${name}`).join("\n")}`,
    "../labels.jsonl": rows.map((row) => JSON.stringify(row)).join("\n"),
    "../dataset.json": JSON.stringify({ labels: rows.map(({ path, kind }) => [path, kind]) }),
  };
  const images = NAMES.map((name, i) => {
    return [name, encodePng({ width: 1, height: 1, channels: 1, data: Uint8Array.of(i) })] as const;
  });
  await inFolder({ ...Object.fromEntries(images), ...tables }, async (path) => {
    for (
      const [table, more] of [["labels.csv"], ["labels.tsv"], ["labels.jsonl", { column: "kind", names: "path" }], [
        "dataset.json",
      ]] as const
    ) {
      const { outcome, failed } = await run(path, { labels: { file: join(dirname(path), table), ...more } });
      assertEquals(failed, "", table);
      const { info, pixels, labels } = await readImages(outcome.outputs["train"]!);
      const names = table === "labels.csv" ? ["cat, big", "owl"] : undefined;
      assertEquals([info.classes, info.source["classNames"]], [2, names]);
      const numbers = Array.from(labels!, (_, i) => pixels[3 * i]!);
      // Names are numbered in their order, in which the owl is second.
      assertEquals([...labels!], numbers.map((i) => names === undefined ? i % 2 : 1 - i % 2));
    }
  });
});

Deno.test("a table that does not fit the images says all that is wrong with it", async () => {
  const tables: readonly (readonly [string, string, RegExp])[] = [
    [
      "t.csv",
      `file_name,label\n${CSV[0]}\nmissing.png,owl\n${CSV[0]}\nb/1.png,\n`,
      /t\.csv does not fit the images:\n {2}rows that name no image that is there \(1\): line 3: missing\.png\n {2}rows that name an image a second time \(1\): line 4: a\/0\.png\n {2}rows without a label \(1\): line 5: b\/1\.png\n {2}images without a row \(4\): a\/3\.png, /,
    ],
    ["t.csv", `name,label\n${CSV.join("\n")}\n`, /got columns name, label, wanted columns file_name and label/],
    [
      "t.csv",
      'file_name,label\n"a/0.png,1\n',
      /t\.csv, line 2: got quotes inside a field, or that do not end, wanted CSV/,
    ],
    ["t.csv", `file_name,label\n\n"${NAMES[0]}","two\nlines"\na,b,c\n`, /t\.csv, line 5: got 3 fields, wanted 2/],
    ["t.csv", 'file_name,label\r\na"b,1\r\n', /t\.csv, line 2: got quotes inside a field/],
    ["t.csv", "", /t\.csv does not fit the images:\n {2}images without a row \(6\)/],
    ["t.jsonl", '{"file_name": "a/0.png", "label": 1}\n{"file', /t\.jsonl, line 2: got .*wanted JSON/],
    [
      "t.json",
      '{"labels": [["a/0.png"]]}',
      /t\.json: got something else, wanted \{"labels": \[\["file", label\], …\]\}/,
    ],
    ["t.txt", "a/0.png 1", /t\.txt: got a file \.txt, wanted \.csv, \.tsv, \.jsonl or \.json/],
    [
      "t.csv",
      `file_name,label\n${NAMES.map((name, i) => `${name},${i === 3 ? 65_535 : i}`).join("\n")}`,
      /label of a\/3\.png in t\.csv, line 5: got 65535, wanted 0 to 65534\n/,
    ],
    [
      "t.csv",
      `file_name,label\n${NAMES.map((name, i) => `${name},${i / 2}`).join("\n")}`,
      /label of a\/3\.png in t\.csv, line 5: got 1\.5, wanted 0 to 65534, and so 2 more\n/,
    ],
  ];
  for (const [name, text, says] of tables) {
    await inFolder({ ...same(PNG), [`../${name}`]: text }, async (path) => {
      assertMatch((await run(path, { labels: { file: join(dirname(path), name) } })).failed, says);
    });
  }
  await inFolder({ ...same(PNG) }, async (path) => {
    await Deno.writeFile(`${path}.csv`, Uint8Array.of(0x66, 0xff, 0xfe));
    assertStringIncludes((await run(path, { labels: { file: `${path}.csv` } })).failed, "got bytes that are not UTF-8");
  });
});

Deno.test("a label out of range is told with its line, wherever it is and however many there are", async () => {
  const sorted = NAMES.toSorted();
  for (let which = 1; which < 2 ** NAMES.length; which += 5) {
    const wrong = NAMES.filter((_, i) => which >> i & 1);
    const rows = NAMES.map((name) => JSON.stringify({ file_name: `./${name}`, label: wrong.includes(name) ? -1 : 1 }));
    await inFolder({ ...same(PNG), "../t.jsonl": rows.join("\n") }, async (path) => {
      const { failed } = await run(path, { labels: { file: join(dirname(path), "t.jsonl") } });
      const first = sorted.find((name) => wrong.includes(name))!;
      const more = wrong.length === 1 ? "" : `, and so ${wrong.length - 1} more`;
      const told = `label of ${first} in t.jsonl, line ${NAMES.indexOf(first) + 1}: got -1, wanted 0 to 65534${more}\n`;
      assertStringIncludes(failed, told);
    });
  }
});

Deno.test("a table of labels that lies in the folder is no file that was skipped", async () => {
  const table = `file_name,label\n${NAMES.map((name) => `${name},0`).join("\n")}\n`;
  for (const place of ["labels.csv", "a/deep/labels.csv", "../labels.csv", ".hidden/labels.csv"]) {
    for (const others of [[], ["readme.txt"], ["readme.txt", "a/notes.txt"]]) {
      await inFolder(
        { ...same(PNG), ...Object.fromEntries(others.map((name) => [name, "x"])), [place]: table },
        async (path) => {
          const { said, failed } = await run(path, { labels: { file: join(path, place) } });
          const count = `${others.length} file${others.length === 1 ? "" : "s"}`;
          const told = others.length === 0 ? [] : [`skipped ${count} of another kind than images`];
          assertEquals([failed, said], ["", told], place);
        },
      );
    }
  }
});

Deno.test("skip: unreadable leaves out what cannot be read, says what, and changes nothing else", async () => {
  const more = Array.from({ length: 6 }, (_, i) => `a/more${i}.png`);
  await inFolder({ ...same(PNG, [...NAMES, ...more]), "b/cut.png": PNG.subarray(0, 40) }, async (path) => {
    const broken = (await run(path, {})).failed;
    assertStringIncludes(broken, "1 file of 13 cannot be used:\n  b/cut.png: PNG: got");
    assertStringIncludes(broken, "\nrepair, replace or remove them, or set skip: unreadable to leave them out");
    const { said, outcome, failed } = await run(path, { skip: "unreadable" });
    assertEquals(failed, "");
    assertMatch(said.join(), /^left out 1 image of 13:\n {2}b\/cut\.png: PNG: got a file that is cut off/);
    const counts = await Promise.all(["train", "test"].map(async (split) => {
      return (await readImages(outcome.outputs[split]!)).info.count;
    }));
    assertEquals(counts[0]! + counts[1]!, 12);
    // Whatever can be read and has another form is still refused.
    await lay(path, { "a/wide.png": encodePng({ width: 9, height: 3, channels: 1, data: new Uint8Array(27) }) });
    assertStringIncludes((await run(path, { skip: "unreadable" })).failed, "2 sizes");
  });
  await inFolder({ "a/x.png": "no", "a/y.png": "no", "a/z.png": "no" }, async (path) => {
    assertStringIncludes((await run(path, { skip: "unreadable" })).failed, "0 to train on and 0 to test with");
  });
});

Deno.test("names that are not UTF-8 are named among the files that cannot be used", async () => {
  if (Deno.build.os !== "linux") return;
  await inFolder(same(PNG), async (path) => {
    const made = await new Deno.Command("sh", { args: ["-c", `touch "$(printf 'a\\377.png')"`], cwd: path }).output();
    assert(made.success);
    assertMatch(
      (await run(path, {})).failed,
      /1 file of 7 cannot be used:\n {2}a\ufffd\.png: a name that is not UTF-8/,
    );
  });
});

Deno.test("more classes than a byte tells apart are labels", async () => {
  const names = Array.from({ length: 300 }, (_, i) => `class${i}/x.png`);
  await inFolder(same(PNG, names), async (path) => {
    const { outcome } = await run(path, { testCount: 20 });
    const { info, labels } = await readImages(outcome.outputs["train"]!);
    assertEquals([info.classes, new Set(labels).size], [300, 280]);
    // The same folder again gives the same bytes.
    assertEquals(digests((await run(path, { testCount: 20 })).outcome), digests(outcome));
  });
});

Deno.test("a declared range that the values hardly take, or leave far behind, is warned of with theirs", async () => {
  const level = (i: number) =>
    encode({ width: 4, height: 3, channels: 1, depth: 16, data: new Uint16Array(12).fill(i) });
  const scans = Object.fromEntries(NAMES.map((name, i) => [name, level(400 * i)]));
  await inFolder(scans, async (path) => {
    const grey = { channels: 1, depth: 16 };
    const warned = async (more: object) =>
      (await run(path, { ...grey, ...more })).said.filter((text) => /^values/.test(text));
    const [narrow, ...others] = await warned({});
    assertMatch(
      narrow!,
      /^values go from \d+ to \d+, .* 0 to 65535 as -1 to 1: they hardly see .* range: \[\d+, \d+\] /,
    );
    assertEquals(others, []);
    assertMatch((await warned({ normalize: { range: [0, 1] } }))[0]!, /values beyond are cut off/);
    for (const normalize of [{ range: [0, 2000] }, { percentiles: [1, 99] }, "moments"]) {
      assertEquals(await warned({ normalize }), []);
    }
  });
});

Deno.test("transparency and sides that are lost are noted once, with the param that keeps them", async () => {
  const clear = new Uint8Array(48).map((_, i) => i % 4 === 3 ? 100 : 7);
  await inFolder(same(encodePng({ width: 4, height: 3, channels: 4, data: clear })), async (path) => {
    const said = async (params: Readonly<Record<string, unknown>>) =>
      (await run(path, params)).said.filter((text) => /others like it/.test(text));
    assertMatch((await said({})).join(), /^a\/0.png has transparency, .*channels: 4 to keep it; [^,]*$/);
    assertEquals(await said({ channels: 4 }), []);
    assertMatch(
      (await said({ channels: 4, size: [4, 2] })).join(),
      /^a\/0.png is 3x4, height x width, and becomes 4x2; /,
    );
  });
});

Deno.test("labels that no image has are warned of, since classes count from 0", async () => {
  const csv = ["file_name,label", ...NAMES.map((name, i) => `${name},${1 + i % 3}`)].join("\n");
  await inFolder({ ...same(PNG), "../labels.csv": csv }, async (path) => {
    const { said } = await run(path, { labels: { file: join(path, "../labels.csv") } });
    assertStringIncludes(said.join(), "no image has label 0, of 0 to 3: labels count from 0, or are names");
  });
});
