import { z } from "zod";
import { imagesInfoSchema, openImages } from "../../artifacts/image_files.ts";
import { gridPng, picturedCount } from "../../artifacts/pictures.ts";
import { classNamesOf } from "../../artifacts/labels.ts";
import { readLog } from "../../artifacts/log.ts";
import { readPicture } from "../../artifacts/picture.ts";
import { BEFORE_ERROR } from "../../artifacts/metric_table.ts";
import { type Metric, readMetrics } from "../../artifacts/metrics.ts";
import { parseRecord, readJson } from "../../artifacts/record.ts";
import { validate as readSelection } from "../../artifacts/selection.ts";
import type { InputArtifact } from "../../engine/contract/stage.ts";
import { decodePng } from "../../science/formats/png_decoder.ts";
import { gridCells } from "../../science/pictures/image_grid.ts";
import { countOf } from "../../std/count_of.ts";
import { type Content, factsOf, type LogRow, noContent, type ReportPicture, type SourceFacts } from "./model.ts";
import { describeGuidance, describeSampler } from "./sections.ts";
import { joined, named } from "./text.ts";

/** An artifact and its title on the page. */
export interface Collected {
  readonly title: string;
  readonly artifact:
    & Pick<InputArtifact, "type" | "digest" | "files" | "read" | "readText">
    & Partial<Pick<InputArtifact, "path">>;
  /** True for samples; else images are data. */
  readonly isSample?: boolean;
  /** The steps after which a program has made it, where the artifact does not say. */
  readonly step?: number | undefined;
}

export interface Collection extends Content {
  /** The artifacts that cannot be shown, and why. */
  readonly unreadable: readonly string[];
}

export interface CollectOptions {
  /** Size limit of the page's content; if the artifacts exceed it in total, the largest are left out. */
  readonly mostBytes?: number;
  /** The same limit for the pictures of each type of artifact, except the types whose pictures are results. */
  readonly mostOfType?: number;
  /** True if a server has the files: pictures are then links, `/object/SHA256.png`. */
  readonly isServed?: boolean;
  /** Keeps a picture that is drawn for the page; without it, data sets are shown by the pictures of their artifacts. */
  readonly keepDrawn?: ((png: Uint8Array<ArrayBuffer>, digest: string) => ReportPicture["source"]) | undefined;
}

/** Types of artifacts whose pictures are results. All other pictures explain, and may not fill a page. */
const RESULTS: ReadonlySet<string> = new Set(["samples", "picture"]);

/** Collects the parts of artifacts that a page shows; artifacts of types that the page does not show are left out. */
export async function collectArtifacts(
  all: readonly Collected[],
  { mostBytes = Number.MAX_SAFE_INTEGER, mostOfType = mostBytes, isServed = false, keepDrawn }: CollectOptions = {},
): Promise<Collection> {
  const content = noContent();
  const unreadable: string[] = [];
  const leftOut = new Map<string, Set<string>>();
  const pictures: Part[] = [];
  const byDigest = new Map(all.map(({ artifact }) => [artifact.digest, artifact]));
  const items = all.map((one) => ({ ...one, isServed, keepDrawn, pictures, byDigest }));
  let room = mostBytes;
  const readFitting = async (parts: readonly Part[], mostOf: (type: string) => number) => {
    const rooms = new Map<string, number>();
    const fits = ({ item, size }: Part) => {
      const type = typeOf(item);
      const rest = rooms.getOrInsertComputed(type, mostOf) - size;
      if (Math.min(rest, room - size) < 0) return false;
      rooms.set(type, rest);
      room -= size;
      return true;
    };
    const fitting = new Set(parts.toSorted((a, b) => a.size - b.size).filter(fits));
    for (const part of parts) {
      const [{ title }, type] = [part.item, typeOf(part.item)];
      try {
        if (fitting.has(part)) await part.read();
        else leftOut.getOrInsertComputed(type, () => new Set()).add(title);
      } catch (error) {
        // One bad file, whoever wrote it, must not hide the rest.
        unreadable.push(`${title}: its ${type} cannot be shown: ${(error as Error).message}`);
      }
    }
  };
  // Figures before pictures: a table without some of its rows is wrong.
  const figures = items.map((item): Part => {
    return {
      item,
      size: sizeOf(item),
      read: async () => await collectors[typeOf(item)]?.(item, content, unreadable),
    };
  });
  await readFitting(figures, () => mostBytes);
  const mostOf = (type: string) => RESULTS.has(type) ? mostBytes : mostOfType;
  await readFitting(pictures, mostOf);
  // One line for each type: a sweep may have thousands.
  for (const [type, titles] of leftOut) {
    const others = titles.size === 1 ? "" : ` and ${titles.size - 1} more`;
    const own = mostOf(type) < mostBytes ? `, ${mostOf(type) >> 20} MB of it for such pictures` : "";
    unreadable.push(`the ${type} of ${[...titles][0]}${others}: a page has room for ${mostBytes >> 20} MB${own}`);
  }
  return { ...content, unreadable };
}

/** Any numbers by step: those of a training, with the terms of its loss, or what a program reports. */
const logRowSchema = z.looseObject({ step: z.number() }).transform(({ step, ...row }): LogRow => {
  const { terms } = row as { terms?: unknown };
  const all = Object.entries({ ...typeof terms === "object" ? terms : {}, ...row });
  return { ...Object.fromEntries(all.filter((one): one is [string, number] => typeof one[1] === "number")), step };
});

/** Returns the type of artifact as which a page shows an artifact. */
function typeOf({ artifact: { type }, isSample }: Collected): InputArtifact["type"] {
  return type === "images" && isSample === true ? "samples" : type;
}

/** Returns the bytes of the records of an artifact that a page reads. */
function sizeOf({ artifact: { type, files } }: Item): number {
  const shown = type in collectors ? files.filter(({ path }) => /^[^/]+\.jsonl?$/.test(path)) : [];
  return shown.reduce((sum, { size }) => sum + size, 0);
}

interface Item extends Collected, Required<Pick<CollectOptions, "isServed">>, Pick<CollectOptions, "keepDrawn"> {
  /** Receives the pictures, which are read once it is known which of them fit. */
  readonly pictures: Part[];
  /** All artifacts of the page, by digest. */
  readonly byDigest: ReadonlyMap<string | undefined, Collected["artifact"]>;
}

/** A part of an artifact that is read if the page has room for its size in bytes. */
interface Part {
  readonly item: Item;
  readonly size: number;
  readonly read: () => Promise<unknown>;
}

/** @param warnings receives messages about parts that are left out */
type Collector = (item: Item, content: Content, warnings: string[]) => unknown;

const trainedOnSchema = z.object({ images: z.object({ source: z.record(z.string(), z.unknown()) }) });

/**
 * Returns the classes that a grid of samples repeats, by name if the page has the checkpoint that generated the
 * samples.
 */
async function classesOf(classes: number | null, { labels, model }: SourceFacts, { byDigest }: Item) {
  if (classes === null || labels === undefined) return undefined;
  const checkpoint = byDigest.get(model?.digest);
  // Class names are optional: samples are shown without them too.
  const config = checkpoint && await readJson(checkpoint, "config.json", trainedOnSchema).catch(() => undefined);
  const names = classNamesOf(config?.images.source ?? {}) ?? [];
  const shown = Array.isArray(labels) ? labels : Array.from({ length: classes }, (_, label) => label);
  return shown.map((label) => String(names[Number(label)] ?? label));
}

const MOST_NAMED = 16;

function describeClasses(classes: readonly string[]): string {
  return `classes in turn: ${classes.slice(0, MOST_NAMED).join(", ")}${classes.length > MOST_NAMED ? ", …" : ""}`;
}

/** With more classes, or fewer images of each, rows by class say less than the grid. */
const [MOST_ROWS, LEAST_EACH] = [40, 3];

/** Returns the class of each of the images of a grid, if a reader gains from seeing the images by class. */
function labelsOf(classes: readonly string[] | undefined, count: number): string[] | undefined {
  const rows = new Set(classes).size;
  if (classes === undefined || rows < 2 || rows > MOST_ROWS || count < LEAST_EACH * rows) return undefined;
  return Array.from({ length: count }, (_, i) => classes[i % classes.length]!);
}

/** Values of the images of a picture: more than 64 of 512x512 in colour are not read for a page. */
const MOST_DRAWN = 64 << 20;

/**
 * Draws images of all classes, as many of each. The picture of the artifact has the first images of the set, which in a
 * sorted set are all of one class.
 * @returns undefined for sets whose own picture is as good: without classes, of points, signals or latents
 */
async function drawClasses({ artifact, keepDrawn }: Item, info: z.output<typeof imagesInfoSchema>) {
  const { path, digest } = artifact;
  const { count: total, classes, height, width, channels, encoder } = info;
  const most = Math.min(total, picturedCount(info));
  if (most * height * width * channels > MOST_DRAWN) return;
  if (!classes || height === 1 || encoder !== undefined || path === undefined || keepDrawn === undefined) return;
  using images = await openImages({ ...artifact, path });
  const [seen, labels] = [new Uint32Array(classes), images.labels!];
  const each = Math.max(1, Math.floor(most / classes));
  const first = [...labels.keys().filter((i) => seen[labels[i]!]!++ < each)]
    .sort((a, b) => labels[a]! - labels[b]!);
  const count = Math.min(most, first.length);
  const chosen = Array.from({ length: count }, (_, i) => first[Math.floor(i * first.length / count)]!);
  const names = classNamesOf(info.source) ?? [];
  const png = gridPng([images.rows(chosen)], info, images);
  const shown = labelsOf(chosen.map((i) => String(names[labels[i]!] ?? labels[i])), count);
  return { source: keepDrawn(png, digest), labels: shown, ...gridOf(info, count) };
}

/** Returns the positions of the images of a grid, of which each takes one cell. */
function gridOf(info: z.output<typeof imagesInfoSchema>, count = Math.min(info.count, picturedCount(info))) {
  const isGrid = info.height > 1 && info.encoder === undefined && [1, 3, 4].includes(info.channels);
  return isGrid ? { cells: { count, ...gridCells(count, info) } } : {};
}

/** Returns the picture of a set of images that lies beside them, if there is one. */
export function pictureIn({ files }: Pick<InputArtifact, "files">): InputArtifact["files"][number] | undefined {
  return ["grid.png", "images.png", "preview.png"].map((name) => files.find(({ path }) => path === name)).find(Boolean);
}

/** Draws the first images of a set that has no picture. @throws FormatError for what is none, or too large */
export async function drawImages({ path, ...artifact }: Collected["artifact"]): Promise<Uint8Array<ArrayBuffer>> {
  if (path === undefined) throw new TypeError("Cannot draw images whose files have no paths");
  using images = await openImages({ ...artifact, path });
  const { info } = images;
  const size = info.height * info.width * info.channels;
  const count = Math.min(info.count, picturedCount(info));
  if (count * size > MOST_DRAWN) throw new RangeError(`images of ${size} values are too large to be drawn`);
  return gridPng([images.rows(Array.from({ length: count }, (_, i) => i))], info, images);
}

/** Adds the first images of a set, by class if they have classes. */
function addImages(
  section: ReportPicture[],
  item: Item,
  info: z.output<typeof imagesInfoSchema>,
  about: Partial<ReportPicture> & { readonly title: string },
): void {
  const path = pictureIn(item.artifact)?.path;
  const draw = async () => {
    const byClass = await drawClasses(item, info);
    if (byClass !== undefined || path !== undefined) return byClass;
    return { source: item.keepDrawn!(await drawImages(item.artifact), item.artifact.digest) };
  };
  addPicture(section, item, path ?? "", { ...about, ...gridOf(info) }, draw);
}

/** Says how many items of which form a set has. */
function describeItems({ count, height, width, channels, dtype }: z.output<typeof imagesInfoSchema>): string {
  const [noun, form] = height > 1
    ? ["image", `of ${height}x${width}${dtype === undefined ? "" : `, ${dtype}`}`]
    : width === 1
    ? ["point", `in ${channels} dimensions`]
    : ["signal", `of length ${width}`];
  return `${countOf(count, noun)} ${form}`;
}

const collectors: Partial<Record<InputArtifact["type"], Collector>> = {
  async log({ title, artifact }, { curves }) {
    const lines = await readLog(artifact);
    curves.push({ title, rows: lines.map((line) => parseRecord("log.jsonl", line, logRowSchema)) });
  },
  async autoencoder(item, { samples }) {
    const note = "training images, each beside what the averaged weights make of it";
    addPicture(samples, item, "reconstructions.png", { title: `${item.title}: reconstructions`, note });
  },
  async schedule(item, { schedules }) {
    addPicture(schedules, item, "schedule.svg", item);
  },
  async samples(item, content, warnings) {
    const { samples, films } = content;
    const { title, artifact } = item;
    const info = await readJson(artifact, "images.json", imagesInfoSchema);
    const facts = factsOf(info.source, `${title}: `, warnings);
    const { sampler, model: { step = item.step, weights } = {}, name, seed, split } = facts;
    // A set that says that it is a part of a set of data is data.
    if (artifact.type === "images" && split !== undefined) {
      await collectors.images!(item, content, warnings);
      return;
    }
    const classes = await classesOf(info.classes, facts, item);
    const how = joined([
      sampler && describeSampler(sampler),
      describeGuidance(facts),
      weights === undefined ? undefined : `${weights} weights`,
      name === "sample" ? undefined : name,
      named("seed", seed),
      classes && describeClasses(classes),
    ], "; ");
    const note = joined([describeItems(info), how], "; ");
    const main = { interpolate: "interpolation.png", inpaint: "inpainting.png" }[String(name)] ?? "grid.png";
    if (main === "grid.png" && pictureIn(artifact)?.path !== main) {
      return addImages(samples, item, info, { title, note, step, digest: artifact.digest });
    }
    const count = Math.min(info.count, picturedCount(info));
    const isGrid = main === "grid.png" && info.height > 1;
    // A picture of latents may show decoded images.
    const size = isGrid && info.encoder !== undefined ? cellSize(await artifact.read(main), count) : info;
    const cells = isGrid ? { count, ...gridCells(count, size) } : undefined;
    const about = { digest: artifact.digest, cells, labels: cells && labelsOf(classes, count) };
    addPicture(samples, item, main, { title, note, step, ...about });
    addPicture(films, item, "trajectory.png", { title: `${title}: the images`, note: how });
    addPicture(films, item, "trajectory-x0.png", { title: `${title}: the predicted x0`, note: how });
  },
  async images(item, { data }, warnings) {
    const title = `${item.title}: data`;
    const info = await readJson(item.artifact, "images.json", imagesInfoSchema);
    const { split, name } = factsOf(info.source, `${item.title}: `, warnings);
    if (split === "test") return;
    const note = joined([describeItems(info), name], "; ");
    addImages(data, item, info, { title, note });
  },
  async metrics(item, { metrics, rates, neighbours }, warnings) {
    const { title, artifact } = item;
    const record = await readMetrics(artifact);
    const images = Object.entries(record.images).map(([role, set]) => {
      return [role, { ...set, source: factsOf(set.source, `${title}: images.${role}.`, warnings) }] as const;
    });
    const all = { ...record, images: Object.fromEntries(images), metrics: record.metrics.map(withError) };
    metrics.push({ title, record: all });
    addPicture(rates, item, "rate-distortion.svg", { title: `${title}: rate and distortion` });
    const note = "each sample, then the training images nearest to it, by pixels";
    addPicture(neighbours, item, "neighbours.png", { title, note });
  },
  async selection({ title, artifact }, { rankings }) {
    rankings.push({ title, record: await readSelection(artifact) });
  },
  async picture(item, { pictures }) {
    const { path, caption } = await readPicture(item.artifact);
    addPicture(pictures, item, path, { title: item.title, note: caption });
  },
  async files({ title, artifact, isServed }, { demos }) {
    const page = artifact.files.find(({ path }) => path === DEMO_FILE);
    if (page === undefined) return;
    // The page lies beside the views of the stages.
    demos.push({ title, href: isServed ? `/page/${page.sha256}.html` : `${encodeURIComponent(title)}/${DEMO_FILE}` });
  },
};

/** Returns a metric with the standard error that `evaluate` states in its note. */
function withError(metric: Metric): Metric {
  const deviation = Number(metric.note?.split(BEFORE_ERROR)[1]);
  return deviation > 0 ? { deviation, ...metric } : metric;
}

/** Returns the size of each of the images of a grid. */
function cellSize(png: Uint8Array<ArrayBuffer>, count: number): Readonly<Record<"width" | "height", number>> {
  const { columns, margin } = gridCells(count, { height: 1, width: 1 });
  const { width, height } = decodePng(png);
  const each = (length: number, cells: number) => (length - margin) / cells - margin;
  return { width: each(width, columns), height: each(height, Math.ceil(count / columns)) };
}

/** A guess at the size of a picture that is yet to be drawn. */
const LIKELY_BYTES = 64 << 10;

/** The file that a stage of kind `demo` writes. */
const DEMO_FILE = "demo.html";

/**
 * Adds a file of an artifact to a section, if the file exists and the page has room for it.
 * @param draw draws a picture to show in place of the file, if it can
 */
function addPicture(
  section: ReportPicture[],
  item: Item,
  path: string,
  { note = "", ...more }: Partial<ReportPicture> & { readonly title: string },
  draw?: () => Promise<Pick<ReportPicture, "source"> | undefined>,
): void {
  const { artifact, isServed, pictures } = item;
  const file = artifact.files.find((one) => one.path === path);
  const canDraw = draw !== undefined && item.keepDrawn !== undefined && artifact.path !== undefined;
  if (file === undefined && !canDraw) return;
  const isDrawing = path.endsWith(".svg");
  // A page has pictures as base64.
  const size = isServed ? 0 : Math.ceil((file?.size ?? LIKELY_BYTES) / 3) * 4;
  const read = async () => {
    const stored = async () =>
      isServed ? `/object/${file!.sha256}.${isDrawing ? "svg" : "png"}` : await artifact.read(path);
    section.push({ ...more, note, isDrawing, ...(canDraw ? await draw() : undefined) ?? { source: await stored() } });
  };
  pictures.push({ item, size, read });
}
