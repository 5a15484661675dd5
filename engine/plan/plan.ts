import type { Ingredients, ResultManifest } from "../../schemas/records.ts";
import type { StageDevice } from "../../contract/stage.ts";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import { predecessorsOf, type Stage, withoutShards } from "../keys/stage.ts";
import { withPredecessors } from "../pipeline/compose/order.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";

/**
 * What will happen to a stage.
 * - `cached`: the result and the user's view of it are good.
 * - `restore`: the result is in the store or the shared cache, the view is not (or shows another result).
 * - `run`, `extend`, `resume`: it will run, from the start, from the end of a shorter run, or from an interrupted one.
 * - `may-run`: it depends on bytes that do not exist yet.
 */
export type PlannedState = "cached" | "restore" | "run" | "extend" | "resume" | "may-run";

/** Something with a name that had another value. */
interface Change<Code, Value> {
  readonly code: Code;
  readonly name: string;
  readonly from: Value;
  readonly to: Value;
}

/** Why a stage is not simply cached. Values are old -> new where both are known. */
export type Reason =
  | { readonly code: "new" | "shared" | "forced" }
  | Change<"param", unknown> & {
    /** Where the new value comes from, and the whole way to there: overrides, vars, axes, profiles, files. */
    readonly at: string;
    readonly origin: readonly string[];
  }
  /** Digests of what it read and reads, and the stage that the port reads now; the first with other content of several. */
  | Change<"input", readonly string[]> & { readonly stage: string }
  /** Digests; undefined where the file was not read before, or is no longer read. */
  | Change<"external", string | undefined>
  | { readonly code: "code" | "version"; readonly from: string; readonly to: string }
  | { readonly code: "upstream"; readonly stage: string }
  | { readonly code: "output-missing" | "output-modified"; readonly files: readonly string[] };

export interface PlannedStage {
  readonly stage: Stage;
  readonly state: PlannedState;
  readonly reasons: readonly Reason[];
  readonly recipeKey: string;
  readonly localKey: string;
  /** Known once all inputs exist. */
  readonly keys?: { readonly resolvedKey: string; readonly identityKey: string; readonly ingredients: Ingredients };
  /** The result to serve, for `cached` and `restore`. */
  readonly manifest?: ResultManifest;
  /** Whether that result is in the shared cache only. */
  readonly shared?: true;
  /** Where `extend` and `resume` continue. */
  readonly fromStep?: number;
  /** What it computes on; found only for stages that may run. */
  readonly device?: StageDevice;
  /** Why there is nothing that it could compute on. */
  readonly problem?: Diagnostic;
}

export interface Plan {
  readonly pipeline: Pipeline;
  /** The stages that were asked for and what they need, in dependency order. */
  readonly stages: ReadonlyMap<string, PlannedStage>;
  /** Of stages that may run and lack the device for it. With any of these nothing may start. */
  readonly problems: readonly Diagnostic[];
}

export const WORKING_STATES: ReadonlySet<PlannedState> = new Set(["run", "extend", "resume"]);

/** Whether a stage works for certain, or may come to. */
export function mayWork({ state }: Pick<PlannedStage, "state">): boolean {
  return WORKING_STATES.has(state) || state === "may-run";
}

export function isForced({ reasons }: Pick<PlannedStage, "reasons">): boolean {
  return reasons.some(({ code }) => code === "forced");
}

/**
 * Stages that read others, directly or not, in dependency order: those that run whatever comes from upstream, those that
 * run if what they read comes out with other bytes, and those whose results are there.
 */
export type Followers = Readonly<Record<"certain" | "mayRun" | "unchanged", readonly string[]>>;

export function findFollowers(plan: Plan, ids: Iterable<string>): Followers {
  const own = new Set(ids);
  const found = new Set(own);
  const followers = { certain: [] as string[], mayRun: [] as string[], unchanged: [] as string[] };
  for (const { stage, state } of plan.stages.values()) {
    if (stage.shard !== undefined) continue;
    // Waiting alone changes nothing.
    if (!Object.values(stage.inputs).flat().some((binding) => found.has(binding.stage))) continue;
    found.add(stage.id);
    if (own.has(stage.id)) continue;
    const list = WORKING_STATES.has(state) ? "certain" : state === "may-run" ? "mayRun" : "unchanged";
    followers[list].push(stage.id);
  }
  return followers;
}

/** Stages without shards that these wait for and that are not there yet, in dependency order. */
export function findPending(plan: Plan, ids: Iterable<string>): string[] {
  const own = new Set(ids);
  const edges = new Map([...plan.stages].map(([id, { stage }]) => [id, predecessorsOf(stage)]));
  const before = withPredecessors(edges, own).difference(own);
  const pending = [...plan.stages].filter(([id, planned]) => before.has(id) && mayWork(planned));
  return withoutShards(pending).map(([id]) => id);
}
