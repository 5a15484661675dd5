import { dirname, join } from "node:path";
import { z } from "zod";
import { readMetrics } from "../../artifacts/metrics.ts";
import { writeSelection } from "../../artifacts/selection.ts";
import type { InputArtifact, OutputArtifact, RunOf } from "../../contract/stage.ts";
import type { selectKind } from "./kind.ts";

/** The part of a measured network's description that is said of the best. */
const modelSchema = z.object({ step: z.number(), weights: z.string() });

export default (async ({ params, inputs, outputs, note }) => {
  const { metric, goal, best } = params;
  const ranking: { candidate: number; value: number }[] = [];
  const models: unknown[] = [];
  for (const [candidate, artifact] of inputs.metrics.entries()) {
    const { metrics, model, images } = await readMetrics(artifact);
    // Scores of samples say in the source of these what the network was.
    models.push(model ?? images["fake"]?.source["model"]);
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
    ranking.push({ candidate, value: whole[0]!.value });
  }
  const sign = goal === "lowest" ? 1 : -1;
  // Candidates with equal values stay in the order of the list.
  ranking.sort((a, b) => sign * (a.value - b.value) || a.candidate - b.candidate);
  const { candidate, value } = ranking[0]!;
  const { step, weights } = modelSchema.safeParse(models[candidate]).data ?? {};
  const which = step === undefined ? "" : `, of step ${step} with weights ${weights}`;
  note(`the best is candidate ${candidate + 1} of ${ranking.length}${which}: ${metric} ${value}`);
  await writeSelection(outputs.selection, { format: 1, metric, goal, ranking });
  if (best !== undefined) await copyArtifact(inputs.candidates[candidate]!, outputs.best);
  return undefined;
}) satisfies RunOf<typeof selectKind>;

/** Copies an artifact's files without holding one in memory. */
async function copyArtifact(from: InputArtifact, to: OutputArtifact): Promise<void> {
  for (const { path } of from.files) {
    const copy = join(to.folder, path);
    await Deno.mkdir(dirname(copy), { recursive: true });
    await Deno.copyFile(from.path(path), copy);
  }
}
