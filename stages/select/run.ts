import { readMetrics } from "../../artifacts/metrics.ts";
import type { OutputArtifact, RunOf } from "../../contract/stage.ts";
import type { Selection } from "../../schemas/selection.ts";
import { writeSelection } from "../../artifacts/selection.ts";
import type { selectKind } from "./kind.ts";

const run: RunOf<typeof selectKind> = async ({ params, inputs, outputs, report }) => {
  const { metric, goal, keep } = params;
  const ranking: { candidate: number; value: number }[] = [];
  for (const [candidate, artifact] of inputs.metrics.entries()) {
    const { metrics } = await readMetrics(artifact);
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
  if (keep > ranking.length) {
    const message = `there are ${ranking.length} candidates, and ${keep} are to be kept`;
    return { status: "failed", message, fix: "lower keep" };
  }
  // Of equals, the one that comes first in the list.
  ranking.sort((a, b) => sign * (a.value - b.value) || a.candidate - b.candidate);
  const selection: Selection = { format: 1, metric, goal, ranking };
  await writeSelection(outputs.selection, selection);
  const slots = outputs as Readonly<Record<string, OutputArtifact>>;
  for (const [place, { candidate }] of ranking.slice(0, keep).entries()) {
    const chosen = inputs.candidates[candidate]!;
    // The same bytes, so that what was made of the candidate serves what is made of the slot.
    for (const { path } of chosen.files) await slots[`best${place + 1}`]!.write(path, await chosen.read(path));
    report({ done: place + 1, total: keep, unit: "candidate" });
  }
  return undefined;
};

export default run;
