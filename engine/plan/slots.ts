import { type Selection, SELECTION_FILE, selectionSchema } from "../../schemas/selection.ts";
import type { ResultManifest } from "../../schemas/records.ts";
import { survivors } from "../../std/halving.ts";
import { type Action, actionsOf } from "../keys/action.ts";
import { isUnknownProgram } from "../keys/program.ts";
import { extentParam, type Slot, type Stage } from "../keys/stage.ts";
import type { SharedCache } from "../store/cache/shared_cache.ts";
import { readTextIfThere } from "../store/reading.ts";
import { parseJson } from "../store/records.ts";
import type { Store } from "../store/store.ts";

/** Rankings that were read, by their results. */
const known = new WeakMap<ResultManifest, Selection["ranking"]>();

/** Returns the file that holds a ranking, if what it says is not known yet. */
function unreadFile(ranking: ResultManifest | undefined) {
  if (ranking === undefined || known.has(ranking)) return undefined;
  return ranking.outputs["selection"]?.files.find(({ path }) => path === SELECTION_FILE);
}

function learn(ranking: ResultManifest, text: string | undefined): boolean {
  const found = text === undefined ? undefined : parseJson(text, selectionSchema);
  if (found !== undefined) known.set(ranking, found.ranking);
  return found !== undefined;
}

/**
 * Reads rankings that slots hang on and that only the shared cache has, so that a plan knows the slots' trials.
 * @returns true if any was learnt, so that planning again tells more
 */
export async function learnRankings(
  slots: Iterable<Slot | undefined>,
  results: ReadonlyMap<string, ResultManifest>,
  cache: Pick<SharedCache, "peek">,
): Promise<boolean> {
  let learnt = false;
  const ids = new Set([...slots].flatMap((slot) => slot?.rankings ?? []));
  for (const ranking of Array.from(ids, (id) => results.get(id))) {
    const file = unreadFile(ranking);
    if (file !== undefined && learn(ranking!, await cache.peek(file))) learnt = true;
  }
  return learnt;
}

/**
 * Returns the trial that is in a slot; undefined until the rankings below it exist. It is lost if too few trials of the
 * rung below have a finite score.
 */
export function trialIn(slot: Slot, results: ReadonlyMap<string, ResultManifest>, { objects }: Store) {
  const rankings = slot.rankings.map((id) => {
    const ranking = results.get(id);
    const file = unreadFile(ranking);
    if (file !== undefined && objects.verify(file)) learn(ranking!, readTextIfThere(objects.pathOf(file.sha256)));
    return ranking && known.get(ranking);
  }).filter((one) => one !== undefined);
  if (rankings.length < slot.rankings.length) return undefined;
  const found = survivors(rankings, slot.counts)[slot.place];
  return found && { id: `${slot.of}~trial=${found.trial + 1}`, isLost: found.value === null };
}

/** True for a slot whose trial is not known yet. */
export function isOpenSlot({ stage: { slot } }: Pick<Action, "stage">): boolean {
  return slot !== undefined && slot.trial === undefined;
}

/** True if the keys of an action are not known, whatever its inputs are. */
export function isOpen(action: Pick<Action, "stage">): boolean {
  return isOpenSlot(action) || isUnknownProgram(action.stage);
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
