import { z } from "zod";
import { imagesInfoSchema } from "../artifacts/images.ts";
import { classNamesOf } from "../artifacts/labels.ts";
import { readLog } from "../artifacts/log.ts";
import { METRICS_FILE, readMetrics } from "../artifacts/metrics.ts";
import { parseRecord, readJson } from "../artifacts/record.ts";
import type { InputArtifact } from "../contract/stage.ts";
import { type Content, factsOf, type LogRow, type ReportPicture, type SourceFacts } from "./model.ts";
import { describeGuidance, describeSampler } from "./sections.ts";
import { joined, named } from "./text.ts";

/** An artifact and what the page calls it. */
export interface Collected {
  readonly title: string;
  readonly artifact: Pick<InputArtifact, "type" | "digest" | "files" | "read" | "readText">;
}

export interface Collection extends Content {
  /** What cannot be shown of which artifact, and why. */
  readonly unreadable: readonly string[];
}

/**
 * What of some artifacts a page shows; artifacts of types that it has no place for are left out.
 * @param mostBytes room on the page; where it is too small for all, those are left out that take the most
 */
export async function collectArtifacts(
  items: readonly Collected[],
  mostBytes: number = Number.MAX_SAFE_INTEGER,
): Promise<Collection> {
  const unreadable: string[] = [];
  let room = mostBytes;
  const fitting = new Set(items.toSorted((a, b) => sizeOf(a) - sizeOf(b)).filter((one) => (room -= sizeOf(one)) >= 0));
  const content: Content = {
    curves: [],
    samples: [],
    films: [],
    schedules: [],
    rates: [],
    metrics: [],
    neighbours: [],
  };
  for (const item of items) {
    try {
      if (!fitting.has(item)) throw new RangeError(`a page has room for ${mostBytes >> 20} MB`);
      await collectors[item.artifact.type]?.(item, content, unreadable, items);
    } catch (error) {
      // Whoever wrote it, one bad file must not hide the rest.
      unreadable.push(`${item.title}: its ${item.artifact.type} cannot be shown: ${(error as Error).message}`);
    }
  }
  return { ...content, unreadable };
}

const logRowSchema = z.object({ step: z.number(), loss: z.number(), gradNorm: z.number(), learningRate: z.number() });

/** Bytes of what a page shows. */
function sizeOf({ artifact: { type, files } }: Collected): number {
  const shown = type in collectors ? files.filter(({ path }) => /^[^/]+\.(?:png|svg|jsonl?)$/.test(path)) : [];
  return shown.reduce((sum, { size }) => sum + size, 0);
}

/** @param odd gets what is left out */
type Collector = (item: Collected, content: Content, odd: string[], items: readonly Collected[]) => Promise<void>;

const trainedOnSchema = z.object({ images: z.object({ source: z.record(z.string(), z.unknown()) }) });

const MOST_CLASSES = 16;

/** The classes that samples show in turn, by name where the page has the checkpoint that drew them. */
async function describeClasses(classes: number | null, { labels, model }: SourceFacts, items: readonly Collected[]) {
  if (classes === null || labels === undefined) return undefined;
  const checkpoint = items.find(({ artifact }) => artifact.digest === model?.digest)?.artifact;
  // Names are good to have: samples are shown without them too.
  const config = checkpoint && await readJson(checkpoint, "config.json", trainedOnSchema).catch(() => undefined);
  const names = classNamesOf(config?.images.source ?? {}) ?? [];
  const shown = Array.isArray(labels) ? labels : Array.from({ length: classes }, (_, label) => label);
  const words = shown.slice(0, MOST_CLASSES).map((label) => names[Number(label)] ?? label);
  return `classes in turn: ${words.join(", ")}${shown.length > MOST_CLASSES ? ", …" : ""}`;
}

const collectors: Partial<Record<InputArtifact["type"], Collector>> = {
  async log({ title, artifact }, { curves }) {
    if (!has(artifact, "log.jsonl")) return;
    const lines = await readLog(artifact);
    curves.push({ title, rows: lines.map((line): LogRow => parseRecord("log.jsonl", line, logRowSchema)) });
  },
  async schedule({ title, artifact }, { schedules }) {
    await addPicture(schedules, artifact, "schedule.svg", { title });
  },
  async samples({ title, artifact }, { samples, films }, odd, items) {
    const info = await readJson(artifact, "images.json", imagesInfoSchema);
    const facts = factsOf(info.source, `${title}: `, odd);
    const { sampler, model: { step, weights } = {}, name, seed } = facts;
    const note = joined([
      `${info.count.toLocaleString("en")} images of ${info.height}x${info.width}`,
      sampler && describeSampler(sampler),
      describeGuidance(facts),
      weights === undefined ? undefined : `${weights} weights`,
      name === "sample" ? undefined : name,
      named("seed", seed),
      await describeClasses(info.classes, facts, items),
    ], "; ");
    const main = { interpolate: "interpolation.png", inpaint: "inpainting.png" }[String(name)] ?? "grid.png";
    await addPicture(samples, artifact, main, { title, note, step });
    await addPicture(films, artifact, "trajectory.png", { title: `${title}: the images`, note });
    await addPicture(films, artifact, "trajectory-x0.png", { title: `${title}: the predicted x0`, note });
  },
  async metrics({ title, artifact }, { metrics, rates, neighbours }, odd) {
    if (!has(artifact, METRICS_FILE)) return;
    const record = await readMetrics(artifact);
    const images = Object.entries(record.images).map(([role, set]) => {
      return [role, { ...set, source: factsOf(set.source, `${title}: images.${role}.`, odd) }] as const;
    });
    metrics.push({ title, record: { ...record, images: Object.fromEntries(images) } });
    await addPicture(rates, artifact, "rate-distortion.svg", { title: `${title}: rate and distortion` });
    const note = "each sample, then the training images nearest to it, by pixels";
    await addPicture(neighbours, artifact, "neighbours.png", { title, note });
  },
};

function has({ files }: Collected["artifact"], name: string): boolean {
  return files.some(({ path }) => path === name);
}

/** Add a file of an artifact to a section, where it is there. */
async function addPicture(
  section: ReportPicture[],
  artifact: Collected["artifact"],
  file: string,
  { title, note = "", step }: Partial<ReportPicture> & { readonly title: string },
): Promise<void> {
  if (!has(artifact, file)) return;
  section.push({ title, note, step, isDrawing: file.endsWith(".svg"), bytes: await artifact.read(file) });
}
