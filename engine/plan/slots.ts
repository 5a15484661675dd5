import { SELECTION_FILE, selectionSchema } from "../../schemas/selection.ts";
import type { ResultManifest } from "../../schemas/records.ts";
import { survivors } from "../../std/halving.ts";
import { type Action, actionsOf } from "../keys/action.ts";
import { extentParam, type Slot, type Stage } from "../keys/stage.ts";
import { readRecord } from "../store/records.ts";
import type { Store } from "../store/store.ts";

const known = new WeakMap<ResultManifest, readonly number[]>();

/** Returns the candidates of a ranking, best first; undefined if it is not there, or is damaged. */
function candidatesOf(ranking: ResultManifest | undefined, { objects }: Store): readonly number[] | undefined {
  const file = ranking?.outputs["selection"]?.files.find(({ path }) => path === SELECTION_FILE);
  const before = ranking && known.get(ranking);
  if (before !== undefined || file === undefined || !objects.verify(file)) return before;
  const found = readRecord(objects.pathOf(file.sha256), selectionSchema)?.ranking.map(({ candidate }) => candidate);
  if (found !== undefined) known.set(ranking!, found);
  return found;
}

/** Returns the id of the trial that is in a slot; undefined until the rankings below it exist. */
export function trialIn(
  { rankings, counts, place, of }: Slot,
  results: ReadonlyMap<string, ResultManifest>,
  store: Store,
): string | undefined {
  const found = rankings.map((one) => candidatesOf(results.get(one), store)).filter((one) => one !== undefined);
  return found.length < rankings.length ? undefined : `${of}~trial=${survivors(found, counts)[place]! + 1}`;
}

/** True for a slot whose trial is not known yet. */
export function isOpenSlot({ stage: { slot } }: Pick<Action, "stage">): boolean {
  return slot !== undefined && slot.trial === undefined;
}

/** Returns an action of a slot's stage as the trial that is in it: at the slot's extent, with the trial's params. */
export function fillSlot({ id, stage }: Action, slot: Slot, trial: NonNullable<Slot["trial"]>): Action {
  const { params, facts, likeness, workShape, workGflop } = trial;
  const extent = extentParam(stage.kind);
  const filled: Stage = {
    ...stage,
    facts,
    likeness,
    ...workShape && { workShape },
    workGflop: workGflop && workGflop * (stage.extent ?? 1) / (trial.extent ?? 1),
    params: extent === undefined ? params : { ...params, [extent]: stage.extent },
    slot: { ...slot, trial },
    notes: [...stage.notes ?? [], `it is ${trial.id}`],
  };
  return actionsOf([filled]).find((one) => one.id === id)!;
}
