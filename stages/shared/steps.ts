import type { FileContent, StageContext, StageEnd } from "../../contract/stage.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { yieldToMessages } from "./macrotask.ts";

type StepsContext = Pick<StageContext, "progress" | "stop" | "report"> & {
  readonly params: {
    readonly steps: number;
    readonly saveEverySeconds: number;
    readonly checkpointEvery?: number | undefined;
  };
};

/** The figures that are reported for a step. */
interface StepFigures extends Readonly<Record<"loss" | "gradNorm" | "learningRate", number>> {}

/**
 * Makes the steps of a training, starting after `from`. The state is saved at intervals, after the last step and when
 * the user asks to stop.
 *
 * @param step makes one step, and returns the figures to report, or why the training ends
 * @returns the state after the last step
 */
export async function takeSteps<S>(
  { params, progress, stop, report }: StepsContext,
  { from, images, step: take, state, encode }: {
    readonly from: number;
    /** Number of images of one step, if it is to be reported. */
    readonly images?: number;
    readonly step: (step: number) => Promise<StepFigures | StageEnd>;
    readonly state: () => Promise<S>;
    readonly encode: (state: S) => Record<string, FileContent>;
  },
): Promise<S | StageEnd> {
  const { steps, checkpointEvery = Infinity, saveEverySeconds } = params;
  for (let step = from + 1;; step++) {
    const figures = await take(step);
    if ("status" in figures) return figures;
    report({ done: step, total: steps, unit: "step", ...definedOnly({ images }), figures: { ...figures } });
    await yieldToMessages();
    const done = step === steps;
    if (!done && !stop.aborted && step % checkpointEvery !== 0 && !progress.isDue(saveEverySeconds)) continue;
    const reached = await state();
    await progress.save(step, encode(reached));
    if (done) return reached;
    if (stop.aborted) return { status: "interrupted", step };
  }
}
