import type { StageProgress } from "../contract.ts";

/** Whether a training should save after a step: by its number where the user wants that, and by time. */
export function isDueForSaving(
  step: number,
  { params, progress }: {
    readonly params: { readonly checkpointEvery?: number | undefined; readonly saveEverySeconds: number };
    readonly progress: StageProgress;
  },
): boolean {
  const { checkpointEvery = Infinity, saveEverySeconds } = params;
  return step % checkpointEvery === 0 || progress.isDue(saveEverySeconds);
}
