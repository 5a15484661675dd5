import { fileURLToPath } from "node:url";
import { digestStageExternals } from "../keys/externals.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { PlannedStage } from "../plan/plan.ts";
import type { Store } from "../store/store.ts";

/** What a stage stands on, where it is not what its key says. */
export interface MovedGround {
  /** What moved, in words. */
  readonly what: string;
  /** Whether there is other content now. What is gone or cannot be read says nothing of what was read before. */
  readonly other: boolean;
}

/**
 * Files and code outside the store may have been edited since the plan, and a stage can wait and run for hours. What it
 * read then is not what its key says, so neither its result nor the states that it saved may stay under it.
 */
export async function findMovedGround(
  { stage, keys }: PlannedStage,
  { pipeline, store }: { readonly pipeline: Pipeline; readonly store: Store },
): Promise<MovedGround | undefined> {
  const { externals, unreadable } = digestStageExternals(stage, pipeline.folder, store.digests);
  const before = keys!.ingredients.externals;
  const changed = Object.keys(before).filter((name) => externals[name] !== before[name]);
  let other = changed.some((name) => externals[name] !== undefined);
  if (stage.kind.custom) {
    const { digestCode } = await import("../process/code_digest.ts");
    const code = await digestCode(fileURLToPath(stage.kind.entry));
    if ("error" in code || `code:${code.digest}` !== stage.kind.version) changed.push("its code");
    if (!("error" in code) && changed.includes("its code")) other = true;
  }
  if (changed.length === 0 && unreadable.length === 0) return undefined;
  return { what: changed.join(", ") || unreadable[0]!.name, other };
}
