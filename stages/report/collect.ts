import { z } from "zod";
import { parseLog } from "../train/train_log.ts";
import { describeSampler } from "../../report/sections.ts";
import type { LogRow, Report } from "../../report/model.ts";
import type { InputArtifact } from "../contract.ts";
import { parseRecord, readJson } from "../shared/artifact_record.ts";
import { imagesInfoSchema } from "../shared/images.ts";
import { METRICS_FILE, readMetrics } from "../shared/metrics.ts";

/** An artifact and what the page calls it. */
export interface Collected {
  readonly title: string;
  readonly artifact: Pick<InputArtifact, "type" | "files" | "read" | "readText">;
}

type Content = Omit<Report, "title" | "subtitle" | "stages">;
type Sections = { -readonly [K in keyof Content]: Content[K][number][] };

export interface Collection extends Content {
  /** Artifacts that cannot be shown, each with why. */
  readonly unreadable: readonly string[];
}

/** What of some artifacts a page shows; artifacts of types that it has no place for are left out. */
export async function collectArtifacts(items: readonly Collected[]): Promise<Collection> {
  const unreadable: string[] = [];
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
      await collectors[item.artifact.type]?.(item, content);
    } catch (error) {
      // Whoever wrote it, one bad file must not hide the rest.
      unreadable.push(`${item.title}: its ${item.artifact.type} cannot be read: ${(error as Error).message}`);
    }
  }
  return { ...content, unreadable };
}

const logRowSchema = z.object({ step: z.number(), loss: z.number(), gradNorm: z.number(), learningRate: z.number() });

type Collector = (item: Collected, content: Sections) => Promise<void>;

const collectors: Partial<Record<InputArtifact["type"], Collector>> = {
  async log({ title, artifact }, { curves }) {
    if (!has(artifact, "log.jsonl")) return;
    const lines = parseLog(await artifact.readText("log.jsonl"));
    curves.push({ title, rows: lines.map((line): LogRow => parseRecord("log.jsonl", JSON.parse(line), logRowSchema)) });
  },
  async schedule({ title, artifact }, { schedules }) {
    if (has(artifact, "schedule.svg")) schedules.push({ title, svg: await artifact.readText("schedule.svg") });
  },
  async samples({ title, artifact }, { samples, films }) {
    const info = await readJson(artifact, "images.json", imagesInfoSchema);
    const { sampler, model, guidance, name, seed } = info.source as Record<string, unknown>;
    const { step, weights } = (model ?? {}) as { step?: number; weights?: string };
    const note = [
      `${info.count.toLocaleString("en")} images of ${info.height}x${info.width}`,
      sampler === undefined ? undefined : describeSampler(sampler as Record<string, unknown>),
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
      const shows = film === "trajectory.png" ? "the images" : "what the network takes them for";
      films.push({ ...await picture(film), title: `${title}: ${shows}`, step: undefined });
    }
  },
  async metrics({ title, artifact }, { metrics, rates, neighbours }) {
    if (!has(artifact, METRICS_FILE)) return;
    metrics.push({ title, record: await readMetrics(artifact) });
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
