import { SELECTION_FILE, selectionSchema } from "../../schemas/selection.ts";
import type { ResultManifest } from "../../schemas/records.ts";
import { survivors } from "../../std/halving.ts";
import { type Action, actionsOf } from "../keys/action.ts";
import { extentParam, type Slot, type Stage } from "../keys/stage.ts";
import type { SharedCache } from "../store/cache/shared_cache.ts";
import { readTextIfThere } from "../store/reading.ts";
import { parseJson } from "../store/records.ts";
import type { Store } from "../store/store.ts";

/** The candidates of rankings, best first, and how many of them have a finite score. */
const known = new WeakMap<ResultManifest, { readonly order: readonly number[]; readonly finite: number }>();

const fileOf = (ranking: ResultManifest | undefined) =>
  ranking?.outputs["selection"]?.files.find(({ path }) => path === SELECTION_FILE);

/** Returns what a ranking says; undefined if it is not there, or is damaged. */
function readRanking(ranking: ResultManifest | undefined, { objects }: Store) {
  const file = fileOf(ranking);
  if (ranking === undefined || file === undefined || known.has(ranking)) return ranking && known.get(ranking);
  return objects.verify(file) ? learn(ranking, readTextIfThere(objects.pathOf(file.sha256))) : undefined;
}

function learn(ranking: ResultManifest, text: string | undefined) {
  const found = text === undefined ? undefined : parseJson(text, selectionSchema)?.ranking;
  if (found !== undefined) {
    const finite = found.filter(({ value }) => value !== null).length;
    known.set(ranking, { order: found.map(({ candidate }) => candidate), finite });
  }
  return known.get(ranking);
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
  const ids = new Set(
    [...slots].flatMap((slot) => slot === undefined || slot.trial !== undefined ? [] : slot.rankings),
  );
  for (const ranking of Array.from(ids, (id) => results.get(id))) {
    const file = fileOf(ranking);
    if (ranking === undefined || file === undefined || known.has(ranking)) continue;
    if (learn(ranking, await cache.peek(file)) !== undefined) learnt = true;
  }
  return learnt;
}

/** Returns what the rankings below a slot say, the lowest first; undefined until all of them exist. */
function rankingsBelow({ rankings }: Slot, results: ReadonlyMap<string, ResultManifest>, store: Store) {
  const found = rankings.map((one) => readRanking(results.get(one), store)).filter((one) => one !== undefined);
  return found.length < rankings.length ? undefined : found;
}

/** Returns the id of the trial that is in a slot; undefined until the rankings below it exist. */
export function trialIn(
  slot: Slot,
  results: ReadonlyMap<string, ResultManifest>,
  store: Store,
): string | undefined {
  const orders = rankingsBelow(slot, results, store)?.map(({ order }) => order);
  return orders && `${slot.of}~trial=${survivors(orders, slot.counts)[slot.place]! + 1}`;
}

/** True if the rung below a slot had too few finite scores, so that its trial is one without. */
export function hasLostBelow(
  slot: Slot,
  results: ReadonlyMap<string, ResultManifest>,
  store: Store,
): boolean {
  const below = rankingsBelow(slot, results, store);
  if (below === undefined) return false;
  const counts = [...slot.counts.slice(0, -1), Math.min(slot.counts.at(-1)!, below.at(-1)!.finite)];
  const finite = survivors(below.map(({ order }) => order), counts);
  return !finite.some((trial) => `${slot.of}~trial=${trial + 1}` === trialIn(slot, results, store));
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
