import { z } from "zod";
import type { InputArtifact } from "../contract/stage.ts";
import { parseRecord, readJson } from "../artifacts/record.ts";
import { imagesInfoSchema } from "../artifacts/images.ts";
import { METRICS_FILE, readMetrics } from "../artifacts/metrics.ts";
import { readLog } from "../artifacts/log.ts";
import { factsOf } from "./facts.ts";
import type { LogRow, Report } from "./model.ts";
import { describeSampler } from "./sections.ts";

/** An artifact and what the page calls it. */
export interface Collected {
  readonly title: string;
  readonly artifact: Pick<InputArtifact, "type" | "files" | "read" | "readText">;
}

type Content = Omit<Report, "title" | "subtitle" | "notes" | "stages">;
type Sections = { -readonly [K in keyof Content]: Content[K][number][] };

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
  const content: Sections = {
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
      await collectors[item.artifact.type]?.(item, content, unreadable);
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

type Collector = (item: Collected, content: Sections, odd: string[]) => Promise<void>;

const collectors: Partial<Record<InputArtifact["type"], Collector>> = {
  async log({ title, artifact }, { curves }) {
    if (!has(artifact, "log.jsonl")) return;
    const lines = await readLog(artifact);
    curves.push({ title, rows: lines.map((line): LogRow => parseRecord("log.jsonl", line, logRowSchema)) });
  },
  async schedule({ title, artifact }, { schedules }) {
    if (has(artifact, "schedule.svg")) schedules.push({ title, svg: await artifact.readText("schedule.svg") });
  },
  async samples({ title, artifact }, { samples, films }, odd) {
    const info = await readJson(artifact, "images.json", imagesInfoSchema);
    const { sampler, model: { step, weights } = {}, guidance, name, seed } = factsOf(info.source, `${title}: `, odd);
    const note = [
      `${info.count.toLocaleString("en")} images of ${info.height}x${info.width}`,
      sampler && describeSampler(sampler),
      guidance === undefined ? undefined : `guidance ${guidance}`,
      weights === undefined ? undefined : `${weights} weights`,
      name === "sample" || name === undefined ? undefined : String(name),
      seed === undefined ? undefined : `seed ${seed}`,
    ].filter((part) => part !== undefined).join("; ");
    const picture = async (file: string) => ({ title, note, bytes: await artifact.read(file), step });
    const main = { interpolate: "interpolation.png", inpaint: "inpainting.png" }[String(name)] ?? "grid.png";
    if (has(artifact, main)) samples.push(await picture(main));
    for (const film of ["trajectory.png", "trajectory-x0.png"]) {
      if (!has(artifact, film)) continue;
      const shows = film === "trajectory.png" ? "the images" : "the predicted x0";
      films.push({ ...await picture(film), title: `${title}: ${shows}`, step: undefined });
    }
  },
  async metrics({ title, artifact }, { metrics, rates, neighbours }, odd) {
    if (!has(artifact, METRICS_FILE)) return;
    const record = await readMetrics(artifact);
    const images = Object.entries(record.images).map(([role, set]) => {
      return [role, { ...set, source: factsOf(set.source, `${title}: images.${role}.`, odd) }] as const;
    });
    metrics.push({ title, record: { ...record, images: Object.fromEntries(images) } });
    const rate = "rate-distortion.svg";
    if (has(artifact, rate)) rates.push({ title: `${title}: rate and distortion`, svg: await artifact.readText(rate) });
    if (has(artifact, "neighbours.png")) {
      const note = "each sample, then the training images nearest to it, by pixels";
      neighbours.push({ title, note, bytes: await artifact.read("neighbours.png") });
    }
  },
};

function has({ files }: Collected["artifact"], name: string): boolean {
  return files.some(({ path }) => path === name);
}
