import { join } from "node:path";
import { LOST_FILE } from "../contract/stage.ts";
import type { ResultManifest } from "../../schemas/records.ts";
import type { Stage } from "../keys/stage.ts";
import { trialIn } from "../plan/slots.ts";
import type { StageOutcome } from "../process/protocol.ts";
import { makeFolder, removeTree, writeUnflushed } from "../store/files.ts";
import { readTextIfThere } from "../store/reading.ts";
import type { Store } from "../store/store.ts";

/** Returns why an input of a trial is lost, so that the trial is lost too. */
export function lossBefore(
  { inputs, isTrial, slot }: Stage,
  settled: ReadonlyMap<string, ResultManifest>,
  store: Store,
): string | undefined {
  if (!isTrial) return undefined;
  const trial = slot && trialIn(slot, settled, store);
  if (trial?.isLost) return `${trial.id} has lost at the rung below`;
  const files = Object.values(inputs).flat().flatMap((one) => settled.get(one.stage)!.outputs[one.port]!.files);
  const lost = files.find(({ path }) => path === LOST_FILE);
  return lost && (readTextIfThere(store.objects.pathOf(lost.sha256)) ?? "it is not finite").trim();
}

/** Ends a trial whose numbers are not finite with a result that says so: it is lost for good, and not tried again. */
export function concludeTrial(
  outcome: StageOutcome,
  { isTrial }: Stage,
  { outputs }: { readonly outputs: Readonly<Record<string, string>> },
): StageOutcome {
  if (outcome.status !== "failed" || outcome.notFinite === undefined || !isTrial) return outcome;
  for (const folder of Object.values(outputs)) {
    removeTree(folder);
    makeFolder(folder);
    writeUnflushed(join(folder, LOST_FILE), `${outcome.notFinite}\n`);
  }
  return { status: "complete" };
}
