import { fileURLToPath } from "node:url";
import { digestStageExternals } from "../fingerprint/externals.ts";
import type { Pipeline } from "../pipeline.ts";
import type { PlannedStage } from "../plan/plan.ts";
import type { Store } from "../store/store.ts";

/**
 * Files and code outside the store may have been edited since the plan, and a stage can wait and run for hours. What it
 * read then is not what its key says, so its result must not be recorded under it.
 *
 * @returns what moved, in words, or undefined
 */
export async function findMovedGround(
  { stage, keys }: PlannedStage,
  { pipeline, store }: { readonly pipeline: Pipeline; readonly store: Store },
): Promise<string | undefined> {
  const { externals, unreadable } = digestStageExternals(stage, pipeline.folder, store.digests);
  const before = keys!.ingredients.externals;
  const changed = Object.keys(before).filter((name) => externals[name] !== before[name]);
  if (stage.kind.custom) {
    const { digestCode } = await import("../process/code_digest.ts");
    const code = await digestCode(fileURLToPath(stage.kind.entry));
    if ("error" in code || `code:${code.digest}` !== stage.kind.version) changed.push("its code");
  }
  if (changed.length === 0 && unreadable.length === 0) return undefined;
  return changed.join(", ") || unreadable[0]!.name;
}
