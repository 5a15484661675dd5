import type { KnownDownload } from "../../std/download.ts";
import { resolve } from "node:path";
import { unboundedFact } from "../../artifacts/facts.ts";
import { CLASS_NAMES } from "../../artifacts/labels.ts";
import { type CheckProblem, defineKind, type RunOf } from "../../engine/contract/stage.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { diskOf, problemsOf } from "../shared/checks.ts";
import { formOfArray } from "./array_form.ts";
import { classesOf, firstSize } from "./folders.ts";
import { classesOfTable } from "./labels.ts";
import { type DatasetParams, datasetParams } from "./params.ts";
import { isOwn, type Source, SOURCES } from "./sources.ts";

export const datasetKind = defineKind({
  kind: "dataset",
  version: 2,
  entry: import.meta.resolve("./run.ts"),
  summary: "Images and labels, split into train and test",
  params: datasetParams,
  inputs: {},
  outputs: {
    train: { type: "images", description: "Images to train on" },
    test: { type: "images", description: "Images held out, the same for every seed" },
  },
  externals: (params) => [sourceOf(params).package ?? []].flat(),
  // Area is not rounded between the axes. Their order is Pillow's, and matters where the two sides change by different
  // numbers of pixels.
  revision({ resize, size = 0 }) {
    if (resize === undefined || resize.name === "bilinear") return undefined;
    if (resize.name === "area") return 1;
    const isSquare = typeof size === "number" || size[0] === size[1];
    return resize.name !== "adm" && (resize.fit ?? "crop") === "crop" && isSquare ? undefined : 1;
  },
  downloads: downloadsOf,
  check(params, _inputs, _own, folder) {
    const { source, path, limit = Infinity, labels, normalize } = params;
    const near = (file?: string) => file === undefined || folder === undefined ? undefined : resolve(folder, file);
    const { count: rows, refused, ...array } = formOfArray(source === "numpy" ? near(path) : undefined, params.shape);
    // Items that are left out are counted by the run.
    const isCounted = rows !== undefined && params.skip === undefined;
    const ofArray: Source["counts"] = isCounted
      ? { all: rows, test: usualTestCount(Math.min(rows, limit)) }
      : undefined;
    const { images, counts = ofArray } = sourceOf(params);
    const { size = images?.side, testCount = counts?.test } = params;
    const { train, all = Infinity } = counts ?? {};
    const total = Math.min(limit, all);
    const problems = problemsOf(
      misplacedParams(params),
      wrongDigests(params),
      isOwn(source) && ownProblems(params),
      size !== undefined && checkSize(params, size),
      refused !== undefined && { param: ["path"], message: refused.what, got: refused.got, wanted: refused.wanted },
      train === undefined && testCount !== undefined && testCount >= total && {
        param: ["testCount"],
        message: "the test split leaves no images to train on",
        got: `testCount ${testCount} of ${total} images`,
        wanted: total < 2 ? "two images or more, one for each split" : `testCount at most ${total - 1}`,
        fix: [total > 1 && "lower testCount", params.limit === undefined ? total < 2 && "add images" : "raise limit"]
          .filter(Boolean).join(" or "),
      },
    );
    // A first file that is left out may be of any size.
    const asItIs = () => source === "folder" && params.skip === undefined ? firstSize(near(path)) : [];
    const [height, width] = typeof size === "number" ? [size, size] : size ?? asItIs();
    // The number of images in a folder is known only once the folder is read.
    const { channels = params.channels ?? 3, classes = labels === "none" ? null : undefined } = images ?? {};
    const root = source === "folder" && (labels ?? "folders") === "folders" ? near(path) : undefined;
    const told = () => typeof labels === "object" ? classesOfTable(near(labels.file), labels) : classesOf(root);
    const dtype = params.depth === 16 ? "uint16" as const : undefined;
    const ofNumbers = unboundedFact(normalize, array.dtype === "float32");
    const known = source === "numpy"
      ? { ...array, ...ofNumbers, classes: labels === undefined ? null : undefined }
      : { height, width, channels, dtype, ...ofNumbers, classes, classNames: CLASS_NAMES[source], ...told() };
    const splitOf = (count?: number) => definedOnly({ ...known, count });
    if (counts === undefined) return { problems, facts: { train: splitOf(), test: splitOf() } };
    const test = train === undefined ? testCount! : Math.min(limit, counts.test);
    const rest = train === undefined ? Math.max(1, total - test) : Math.min(limit, train);
    const facts = { train: splitOf(rest), test: splitOf(test) };
    return { problems, facts, ...diskOf(facts.train, facts.test) };
  },
});

/** Returns how many of a user's own items are held out by default. */
export const usualTestCount = (items: number) => Math.max(1, Math.floor(items / 10));

/** The context of a running `dataset` stage. */
export type DatasetContext = Parameters<RunOf<typeof datasetKind>>[0];

function sourceOf({ source }: DatasetParams): Source {
  return SOURCES[source];
}

function checkSize(params: DatasetParams, size: NonNullable<DatasetParams["size"]>): CheckProblem[] {
  const { source } = params;
  const { sides } = sourceOf(params);
  if (sides === undefined) return [];
  if (typeof size !== "number") {
    const message = `images of ${source} are square`;
    return [{ param: ["size"], message, got: `[${size}]`, wanted: "one side", fix: `set size: ${size[0]}` }];
  }
  if ("upTo" in sides ? size <= sides.upTo : sides.includes(size)) return [];
  const [message, wanted] = "upTo" in sides
    ? [`${source} is not enlarged, only padded`, `at most ${sides.upTo}`]
    : [`there is no ${source} of this size`, sides.join(", ")];
  return [{ param: ["size"], message, got: `${size}`, wanted }];
}

/** Reports what a user's own data lacks, and labels that it cannot have. */
function ownProblems({ source, path, url, sha256, labels, size, resize }: DatasetParams): CheckProblem[] {
  const isFolder = source === "folder";
  const isFiles = isFolder || source === "zip" || source === "tar";
  const file = typeof labels === "object" && labels.file !== undefined;
  return problemsOf(
    path === undefined && (isFolder || url === undefined) && {
      message: `source ${source} needs path`,
      fix: isFolder
        ? "set path to the folder of the images; it is relative to the pipeline file"
        : "set path to the file, relative to the pipeline file; or url and sha256, to fetch it",
    },
    url !== undefined && path === undefined && Object.keys(sha256 ?? {}).length !== 1 && {
      param: ["sha256"],
      message: "what is fetched needs its SHA-256",
      fix: "set sha256: { <name of the file>: <64 hexadecimal digits> }",
    },
    resize !== undefined && size === undefined && {
      param: ["resize"],
      message: "resize needs size",
      fix: "set size to the side in pixels, or to [height, width]",
    },
    isFolder && typeof labels === "object" && !file && {
      param: ["labels"],
      message: "labels of a folder need file",
      fix: "set labels: { file: … } to a table of CSV or JSON lines",
    },
    !isFiles && (labels === "folders" || (file && source === "parquet")) && {
      param: ["labels"],
      message: `source ${source} has no labels of this kind`,
      fix: source === "parquet"
        ? "set labels: { column: … }, or none"
        : "set labels: { file: … } or { column: … }, or none",
    },
  );
}

/** Reports params that are set and do not apply to the source, in the order of the schema. */
function misplacedParams(params: DatasetParams): CheckProblem[] {
  const { source, path } = params;
  const { params: own } = sourceOf(params);
  const set = (Object.keys(params) as (keyof DatasetParams)[]).filter((name) => params[name] !== undefined);
  return set.flatMap((name) => {
    if (name === "source") return [];
    if (!own.includes(name)) {
      const message = `${name} does not go with source ${source}: ${whyMisplaced(name, source)}`;
      return [{ param: [name], message, fix: `remove ${name}` }];
    }
    if (path === undefined || !["url", "sha256"].includes(name)) return [];
    const message = `${name} does not go with path: with path, nothing is fetched`;
    return [{ param: [name], message, fix: `remove ${name}, or path` }];
  });
}

function whyMisplaced(name: keyof DatasetParams, source: DatasetParams["source"]): string {
  if (name === "saveEverySeconds") return "it is read in seconds";
  if (["url", "sha256", "path"].includes(name)) {
    return source === "folder" ? "nothing is fetched for it" : "the package contains the files";
  }
  if (source === "numpy") return "an array is taken as it is";
  if (isOwn(source)) return "it has files, and no columns";
  return name === "testCount" ? "it has a test split of its own" : "all its images have the same form";
}

/** Reports digests of files that the source does not have. */
function wrongDigests(params: DatasetParams): CheckProblem[] {
  const { source, sha256 = {} } = params;
  const names = sourceOf(params).published?.files.map(({ name }) => name) ?? [];
  const unknown = Object.keys(sha256).filter((name) => !names.includes(name));
  if (unknown.length === 0 || names.length === 0) return [];
  return [{
    param: ["sha256"],
    message: `sha256 does not fit source ${source}`,
    got: unknown.join(", "),
    wanted: `digests by file name: ${names.join(", ")}`,
    fix: "correct the file names",
  }];
}

/** Maximum size of a file that a user names by its digest; the published files have less than 200 MB unpacked. */
const MAX_OWN_BYTES = 256 << 20;

/** The same for a user's own data set. */
const MAX_OWN_SET_BYTES = 2 ** 34;

/** Returns the files that a dataset stage downloads: none if its files are at a path or come from a package. */
export function downloadsOf(params: DatasetParams): KnownDownload[] {
  const { source, path, url, sha256 = {} } = params;
  if (isOwn(source) && path === undefined) {
    const urls = [url ?? []].flat();
    return Object.values(sha256).slice(0, urls.length)
      .map((digest) => ({ name: "path", urls, sha256: digest, maxBytes: MAX_OWN_SET_BYTES }));
  }
  const { files, folderUrls } = sourceOf(params).published ?? { files: [], folderUrls: [] };
  if (path !== undefined) return [];
  const isArchive = files.length === 1;
  return files.map((file) => {
    const inFolder = (folder: string) => `${folder.replace(/\/+$/, "")}/${file.name}`;
    const wanted = sha256[file.name] ?? file.sha256;
    return {
      // The name of the param whose content the download replaces: the data is the same, however it was obtained.
      name: isArchive ? "path" : `path/${file.name}`,
      // The user's address is that of an archive itself, or of the folder that holds several files.
      urls: url === undefined ? folderUrls.map(inFolder) : [url].flat().map((own) => isArchive ? own : inFolder(own)),
      sha256: wanted,
      maxBytes: wanted === file.sha256 ? file.bytes : MAX_OWN_BYTES,
    };
  });
}
