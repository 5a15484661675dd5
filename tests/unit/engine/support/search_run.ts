import type { StageContext, StageEnd } from "../../../../engine/contract/stage.ts";
import { walked } from "./search_kinds.ts";

/** Steps after which a state is saved. */
const EVERY = 50;

/**
 * Climbs: the height after n steps is a sum over the steps, so that a climb that goes on comes out as one that never
 * stopped. A pace above 100 is no number from step 70 on. Or, given a climb, measures its height.
 */
export default async function run(
  { params, inputs, outputs, progress, stop }: StageContext,
): Promise<StageEnd | void> {
  const { pace = 0, steps = 0, names = [], map } = params as Partial<
    { pace: number; steps: number; names: string[]; map: string }
  >;
  const climb = inputs["climb"];
  if (climb !== undefined) {
    const height = Number(await [climb].flat()[0]!.readText("value.txt"));
    const metrics = names.map((name) => ({ name, value: -height, count: 1 }));
    await outputs["metrics"]!.write("metrics.json", JSON.stringify({ format: 1, metrics }));
    await outputs["sheet"]!.write("sheet.txt", `${height}`);
    return;
  }
  const saved = await progress.latest();
  const start = saved?.step ?? 0;
  walked.starts.push(`${pace} from ${start} to ${steps}`);
  let height = saved === undefined ? 0 : Number(new TextDecoder().decode(await saved.read("state.txt")));
  for (let step = start + 1; step <= steps; step++) {
    walked.steps++;
    height += pace > 100 && step === 70 ? NaN : pace * Math.exp(-step / 300) - 1e-4 * pace ** 2 * Math.sin(step * pace);
    if (Number.isNaN(height)) {
      return { status: "failed", message: `no height at step ${step}`, notFinite: `the height at step ${step}` };
    }
    if (step % EVERY === 0 || step === steps || stop.aborted) {
      await progress.save(step, { "state.txt": new TextEncoder().encode(`${height}`) });
      if (stop.aborted && step < steps) return { status: "interrupted", step };
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
  // A map shows the height from which a climb begins.
  await outputs["out"]!.write("value.txt", `${height + (map === undefined ? 0 : Number(Deno.readTextFileSync(map)))}`);
}
