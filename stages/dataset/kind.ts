import { statSync } from "node:fs";
import { CLASS_NAMES } from "../../artifacts/labels.ts";
import {
  type CheckProblem,
  type CheckResult,
  defineKind,
  type DownloadExternal,
  type RunOf,
} from "../../contract/stage.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { type DatasetParams, datasetParams } from "./params.ts";
import { type Source, SOURCES } from "./sources.ts";

export const datasetKind = defineKind({
  kind: "dataset",
  version: 1,
  entry: import.meta.resolve("./run.ts"),
  summary: "Images and labels, split into train and test",
  params: datasetParams,
  inputs: {},
  outputs: {
    train: { type: "images", description: "Images to train on" },
    test: { type: "images", description: "Images held out, the same for every seed" },
  },
  externals: (params) => [sourceOf(params).package ?? []].flat(),
  downloads: downloadsOf,
  locate: (params) => locateDataset(params),
  check(params) {
    const { problems, images, counts } = params.source === "folder" ? checkFolder(params) : checkPublished(params);
    const all = [...misplacedParams(params), ...wrongDigests(params), ...problems];
    if (images === undefined) return { problems: all };
    const splitOf = (count?: number) => definedOnly({ ...images, classNames: CLASS_NAMES[params.source], count });
    return { problems: all, facts: { train: splitOf(counts?.train), test: splitOf(counts?.test) } };
  },
});

/** What a running `dataset` stage gets. */
export type DatasetContext = Parameters<RunOf<typeof datasetKind>>[0];

function sourceOf({ source }: DatasetParams): Source {
  return SOURCES[source];
}

interface Checked {
  readonly problems: CheckProblem[];
  readonly images?: NonNullable<CheckResult["facts"]>[string];
  /** Of both splits, where that is known. */
  readonly counts?: { readonly train: number; readonly test: number };
}

function checkPublished(params: DatasetParams): Checked {
  const { source, limit = Infinity, skinTones = false } = params;
  const { images: { side, ...rest }, sides, counts } = sourceOf(params) as Required<Source>;
  const { size = side } = params;
  const problems: CheckProblem[] = [];
  const images = { height: size, width: size, ...rest };
  if ("upTo" in sides ? size > sides.upTo : !sides.includes(size)) {
    const [message, wanted] = "upTo" in sides
      ? [`${source} is not enlarged, only padded`, `at most ${sides.upTo}`]
      : [`there is no ${source} of this size`, sides.join(", ")];
    problems.push({ param: ["size"], message, got: `${size}`, wanted });
  }
  if ("train" in counts) {
    const [train, test] = [Math.min(limit, counts.train), Math.min(limit, counts.test)];
    return { problems, images, counts: { train, test } };
  }
  const total = Math.min(limit, counts.all);
  const { testCount = counts.test } = params;
  problems.push(...leavesNothing(testCount, total, params));
  // How many variants each emoji has is in the package's files.
  if (skinTones) return { problems, images };
  return { problems, images, counts: { train: Math.max(1, total - testCount), test: testCount } };
}

function checkFolder(params: DatasetParams): Checked {
  const { path, size, channels = 3, limit, testCount, labels } = params;
  const problems: CheckProblem[] = [];
  const missing = (param: "path" | "size", fix: string) =>
    problems.push({ message: `source folder needs ${param}`, fix });
  if (path === undefined) missing("path", "set path to the folder of the images; it is relative to the pipeline file");
  if (size === undefined) missing("size", "set size to the side in pixels to resize every image to");
  if (limit !== undefined && testCount !== undefined) problems.push(...leavesNothing(testCount, limit, params));
  if (size === undefined) return { problems };
  // How many there are, and of how many classes, is known when the folder is read.
  return { problems, images: { height: size, width: size, channels, ...(labels === "none" ? { classes: null } : {}) } };
}

/** A test split must leave something of the `total` images. */
function leavesNothing(testCount: number, total: number, { limit }: DatasetParams): CheckProblem[] {
  if (testCount < total) return [];
  return [{
    param: ["testCount"],
    message: "the test split leaves no images to train on",
    got: `testCount ${testCount} of ${total} images`,
    wanted: `testCount at most ${total - 1}`,
    fix: limit === undefined ? "lower testCount" : "lower testCount or raise limit",
  }];
}

/** Params that are set and mean nothing to the source, in the order of the schema. */
function misplacedParams(params: DatasetParams): CheckProblem[] {
  const { source, path } = params;
  const { params: own, published } = sourceOf(params);
  const set = (Object.keys(params) as (keyof DatasetParams)[]).filter((name) => params[name] !== undefined);
  return set.flatMap((name) => {
    if (name === "source") return [];
    if (!own.includes(name)) {
      const none = source === "folder" ? "nothing is fetched for it" : "the package contains the files";
      const message = `${name} does not go with source ${source}: ${WHY_MISPLACED[name] ?? none}`;
      return [{ param: [name], message, fix: `remove ${name}` }];
    }
    if (path === undefined || published === undefined || !["url", "mirrors", "sha256"].includes(name)) return [];
    const message = `${name} does not go with path: with path, nothing is fetched`;
    return [{ param: [name], message, fix: `remove ${name}, or path` }];
  });
}

const SAME_FORM = "all its images have the same form";
const WHY_MISPLACED: Partial<Record<keyof DatasetParams, string>> = {
  testCount: "it has a test split of its own",
  skinTones: "only emoji have skin tones",
  channels: SAME_FORM,
  background: SAME_FORM,
  labels: SAME_FORM,
};

/** Digests that are not those of the files that the source consists of. */
function wrongDigests(params: DatasetParams): CheckProblem[] {
  const { source, sha256 } = params;
  const { published } = sourceOf(params);
  if (sha256 === undefined || published === undefined) return [];
  const names = published.files.map(({ name }) => name);
  const [isArchive, isOne] = [names.length === 1, typeof sha256 === "string"];
  const unknown = isOne ? [] : Object.keys(sha256).filter((name) => !names.includes(name));
  if (isArchive === isOne && unknown.length === 0) return [];
  const about = { param: ["sha256"], message: `sha256 does not fit source ${source}` };
  if (isArchive) {
    const wanted = "one digest, the archive's";
    return [{ ...about, got: "digests by file name", wanted, fix: "give the digest alone" }];
  }
  const wanted = `digests by file name: ${names.join(", ")}`;
  return isOne
    ? [{ ...about, got: "one digest", wanted, fix: "write sha256 as a map of file names to digests" }]
    : [{ ...about, got: unknown.join(", "), wanted, fix: "correct the file names" }];
}

/** Of files that a user names by their digest; the published ones have less than 200 MB unpacked. */
const MAX_OWN_BYTES = 256 << 20;

/** What a dataset stage fetches: nothing where its files lie at a path or come from a package. */
export function downloadsOf(params: DatasetParams): DownloadExternal[] {
  const { path, url, mirrors = [], sha256 } = params;
  const { files, homes } = sourceOf(params).published ?? { files: [], homes: [] };
  if (path !== undefined) return [];
  const isArchive = files.length === 1;
  return files.map((file) => {
    const inFolder = (folder: string) => `${folder.replace(/\/+$/, "")}/${file.name}`;
    // What a user writes is the address of an archive itself, or of the folder of several files.
    const own = [url ?? [], mirrors].flat().map((address) => isArchive ? address : inFolder(address));
    const wanted = (typeof sha256 === "object" ? sha256[file.name] : sha256) ?? file.sha256;
    return {
      // Like the param whose content it stands in for: the data is the same, however it came.
      name: isArchive ? "path" : `path/${file.name}`,
      urls: url === undefined ? [...homes.map(inFolder), ...own] : own,
      sha256: wanted,
      maxBytes: wanted === file.sha256 ? file.bytes : MAX_OWN_BYTES,
    };
  });
}

/** The folder of an installed package, where the params leave it open and there may be one. */
export function locateDataset(
  params: DatasetParams,
  exists = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true,
): { path?: string } | undefined {
  const { path, url, mirrors, sha256 } = params;
  const installed = sourceOf(params).published?.installed;
  const isOpen = [path, url, mirrors, sha256].every((param) => param === undefined);
  if (!isOpen || installed === undefined) return undefined;
  return exists(installed) ? { path: installed } : {};
}
