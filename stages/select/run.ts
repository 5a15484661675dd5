import { dirname, join } from "node:path";
import { z } from "zod";
import { knownMetric } from "../../artifacts/metric_table.ts";
import { readLog } from "../../artifacts/log.ts";
import { readMetrics } from "../../artifacts/metrics.ts";
import { parseJson } from "../../artifacts/record.ts";
import { writeSelection } from "../../artifacts/selection.ts";
import { type InputArtifact, LOST_FILE, type OutputArtifact, type RunOf } from "../../engine/contract/stage.ts";
import type { selectKind } from "./kind.ts";
import { rank } from "./rank.ts";

/** Metrics of which some may not be finite. */
const unreadSchema = z.object({ metrics: z.array(z.object({ name: z.string(), value: z.number().nullable() })) });
/** The part of a measured network's description that is said of the best. */
const modelSchema = z.object({ step: z.number(), weights: z.string() });

export default (async ({ params, inputs, outputs, note, warn }) => {
  const { metric, best } = params;
  const goal = params.goal ?? knownMetric(metric)?.best ?? "lowest";
  const found: { candidate: number; value: number | null; model?: unknown }[] = [];
  for (const [candidate, artifact] of inputs.metrics.entries()) {
    const lost = await lossOf(artifact, metric);
    if (lost !== undefined) {
      warn(`candidate ${candidate + 1} loses: ${lost}`);
      found.push({ candidate, value: null });
      continue;
    }
    if (artifact.type === "log") {
      const figures = figuresOf(await readLog(artifact));
      const value = figures.get(metric);
      if (value === undefined) {
        const names = [...figures.keys()].join(", ");
        const message = `candidate ${candidate + 1} has no figure "${metric}" in its log: it has ${names}`;
        return { status: "failed", message, fix: "name a figure that each candidate reports" };
      }
      if (value === null) warn(`candidate ${candidate + 1} loses: its ${metric} is not finite`);
      found.push({ candidate, value });
      continue;
    }
    const { metrics, model, images } = await readMetrics(artifact);
    const whole = metrics.filter(({ name, label, timesteps }) =>
      name === metric && label === undefined && timesteps === undefined
    );
    if (whole.length !== 1) {
      const names = [...new Set(metrics.map(({ name }) => name))].join(", ");
      const message = whole.length === 0
        ? `candidate ${candidate + 1} has no metric "${metric}": it has ${names}`
        : `candidate ${candidate + 1} has ${whole.length} metrics called "${metric}"`;
      return { status: "failed", message, fix: "name a metric that each candidate has once" };
    }
    // Scores of samples say in the source of these what the network was.
    found.push({ candidate, value: whole[0]!.value, model: model ?? images["fake"]?.source["model"] });
  }
  const ranked = rank(found.map(({ value }) => value), goal).map((place) => found[place]!);
  const { candidate, value, model } = ranked[0]!;
  if (value === null) {
    const fix = "lower the learning rate, or narrow what is searched";
    return { status: "failed", message: `no candidate has a finite ${metric}`, fix };
  }
  const { step, weights } = modelSchema.safeParse(model).data ?? {};
  const which = step === undefined ? "" : `, of step ${step} with weights ${weights}`;
  note(`the best is candidate ${candidate + 1} of ${ranked.length}${which}: ${metric} ${value}`);
  const ranking = ranked.map(({ candidate, value }) => ({ candidate, value }));
  await writeSelection(outputs.selection, { format: 1, metric, goal, ranking });
  if (best !== undefined) await copyArtifact(inputs.candidates![candidate]!, outputs.best);
  return undefined;
}) satisfies RunOf<typeof selectKind>;

/** Returns why a candidate has no number to be ranked by, if its training or its metric was not finite. */
async function lossOf(artifact: InputArtifact, metric: string): Promise<string | undefined> {
  if (artifact.files.some(({ path }) => path === LOST_FILE)) return (await artifact.readText(LOST_FILE)).trim();
  if (artifact.type === "log") return undefined;
  const text = await artifact.readText("metrics.json").catch(() => "");
  // Python's json writes NaN, JavaScript's null; no reader of metrics takes either.
  const plain = text.replaceAll(/(?<=:\s*)-?(?:NaN|Infinity)\b/g, "null");
  const parsed = unreadSchema.safeParse(plain === "" ? undefined : parseJson("metrics.json", plain));
  const isLost = parsed.data?.metrics.some(({ name, value }) => name === metric && value === null);
  return isLost ? `its ${metric} is not finite` : undefined;
}

/** Returns the last value of each figure of a log, null if it is not finite, and its lowest and highest one. */
function figuresOf(rows: readonly Readonly<Record<string, unknown>>[]): Map<string, number | null> {
  const last = new Map<string, number | null>();
  const ends = new Map<string, number | null>();
  for (const [name, value] of rows.flatMap((row) => Object.entries(row))) {
    if (name === "step" || (value !== null && typeof value !== "number")) continue;
    last.set(name, value);
    for (const [end, pick] of [[`lowest ${name}`, Math.min], [`highest ${name}`, Math.max]] as const) {
      const [before, now] = [ends.get(end) ?? value, value ?? ends.get(end) ?? null];
      ends.set(end, before === null || now === null ? now : pick(before, now));
    }
  }
  return new Map([...ends, ...last]);
}

/** Copies an artifact's files without holding one in memory. */
async function copyArtifact(from: InputArtifact, to: OutputArtifact): Promise<void> {
  for (const { path } of from.files) {
    const copy = join(to.folder, path);
    await Deno.mkdir(dirname(copy), { recursive: true });
    await Deno.copyFile(from.path(path), copy);
  }
}
