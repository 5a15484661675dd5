import type { Ingredients, Keep, ResultManifest } from "../../schemas/records.ts";
import type { StageDevice } from "../../schemas/device.ts";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import type { Action } from "../keys/action.ts";
import { predecessorsOf } from "../keys/stage.ts";
import { withPredecessors } from "../pipeline/compose/order.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";

/**
 * The planned outcome of a stage.
 * - `cached`: the result and the user's view of it are good.
 * - `restore`: the result is in the store or the shared cache, but the view does not show it.
 * - `run`, `extend`, `resume`: the stage will run, from the start, from the end of a shorter run, or from an
 *   interrupted one.
 * - `may-run`: the stage depends on bytes that do not exist yet.
 */
export type PlannedState = "cached" | "restore" | "run" | "extend" | "resume" | "may-run";

/** A named value that has changed. */
interface Change<Code, Value> {
  readonly code: Code;
  readonly name: string;
  readonly from: Value;
  readonly to: Value;
}

/** The reason why a stage is not simply cached. Values are old -> new where both are known. */
export type Reason =
  | { readonly code: "new" | "shared" | "forced" }
  | Change<"param", unknown> & {
    /** The source of the new value, and the chain that leads to it: overrides, vars, axes, profiles, files. */
    readonly at: string;
    readonly origin: readonly string[];
  }
  /**
   * Digests of what the stage read before and reads now, and the stage that the port reads now; of several, the first
   * with other content.
   */
  | Change<"input", readonly string[]> & { readonly stage: string }
  /** Digests; undefined if the file was not read before, or is no longer read. */
  | Change<"external", string | undefined>
  /** The program whose version is not known, since only a grant lets it be asked. */
  | { readonly code: "unknown"; readonly name: string }
  | { readonly code: "code" | "version"; readonly from: string; readonly to: string }
  | { readonly code: "upstream"; readonly stage: string }
  | { readonly code: "output-missing" | "output-modified"; readonly files: readonly string[] };

/** The decision about an action. */
interface Decision {
  readonly state: PlannedState;
  readonly reasons: readonly Reason[];
  readonly recipeKey: string;
  readonly localKey: string;
  /** Known once all inputs exist. */
  readonly keys?: {
    readonly resolvedKey: string;
    readonly identityKey: string;
    readonly ingredients: Ingredients;
    /** The resolved key from when all sources of its program counted by their bytes, if that is another. */
    readonly formerKey?: string | undefined;
  };
  /** The result to serve, for `cached` and `restore`. */
  readonly manifest?: ResultManifest;
  /** Why that result serves, if other code has made it. */
  readonly keep?: Keep;
  /** True if that result is in the shared cache only. */
  readonly shared?: true;
  /** The step from which `extend` and `resume` continue. */
  readonly fromStep?: number;
  /** The device that the stage computes on; found only for stages that may run. */
  readonly device?: StageDevice;
  /** The reason why there is no device that the stage could compute on. */
  readonly problem?: Diagnostic;
}

export type PlannedAction = Action & Decision;

export interface Plan {
  readonly pipeline: Pipeline;
  /** The actions of the requested stages and of those that they need, by id, in dependency order. */
  readonly actions: ReadonlyMap<string, PlannedAction>;
  /** The action of each stage that makes its result, by stage. */
  readonly stages: ReadonlyMap<string, PlannedAction>;
  /** Problems of stages that may run but lack the device for it. With any of these nothing may start. */
  readonly problems: readonly Diagnostic[];
}

/** Returns the actions that make the requested results, by stage: without parts that are joined here. */
export function resultActions(actions: ReadonlyMap<string, PlannedAction>): ReadonlyMap<string, PlannedAction> {
  return new Map([...actions].filter(([, { view, stage }]) => view !== undefined || !actions.has(stage.id)));
}

export const RUNNING_STATES: ReadonlySet<PlannedState> = new Set(["run", "extend", "resume"]);

/** True if a stage runs for certain or may come to run. */
export function mayRun({ state }: Pick<PlannedAction, "state">): boolean {
  return RUNNING_STATES.has(state) || state === "may-run";
}

export function isForced({ reasons }: Pick<PlannedAction, "reasons">): boolean {
  return reasons.some(({ code }) => code === "forced");
}

/**
 * Stages that read others, directly or indirectly, in dependency order: `certain` ones run whatever comes from
 * upstream, `mayRun` ones run if what they read comes out with other bytes, and `unchanged` ones have their results.
 */
export type Dependents = Readonly<Record<"certain" | "mayRun" | "unchanged", readonly string[]>>;

export function findDependents(plan: Plan, ids: Iterable<string>): Dependents {
  const own = new Set(ids);
  const found = new Set(own);
  const followers = { certain: [] as string[], mayRun: [] as string[], unchanged: [] as string[] };
  for (const { stage, state } of plan.stages.values()) {
    // A stage that only waits for another (`needs`) is not affected.
    if (!Object.values(stage.inputs).flat().some((binding) => found.has(binding.stage))) continue;
    found.add(stage.id);
    if (own.has(stage.id)) continue;
    const list = RUNNING_STATES.has(state) ? "certain" : state === "may-run" ? "mayRun" : "unchanged";
    followers[list].push(stage.id);
  }
  return followers;
}

/** Returns stages that the given ones wait for and that have no result yet, in dependency order. */
export function findPending({ stages }: Plan, ids: Iterable<string>): string[] {
  const own = new Set(ids);
  const edges = new Map([...stages].map(([id, { stage }]) => [id, predecessorsOf(stage)]));
  const before = withPredecessors(edges, own).difference(own);
  return [...stages].filter(([id, planned]) => before.has(id) && mayRun(planned)).map(([id]) => id);
}
