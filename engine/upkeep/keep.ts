import { hostname, userInfo } from "node:os";
import type { Keep, ResultManifest } from "../../schemas/records.ts";
import { type Diagnostic, errorOf, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import type { Plan, PlannedAction, Reason } from "../plan/plan.ts";
import { explainChange } from "../plan/reasons.ts";
import { hasPortsOf } from "../plan/serving.ts";
import { filesOf } from "../store/results.ts";
import type { Store } from "../store/store.ts";

/** A result that serves from now on, and others that differ by an edit of the code alone, newest first. */
interface Kept {
  readonly keep: Keep;
  readonly others: readonly string[];
}

/** Returns who says so, and when. */
function signature(): Pick<Keep, "at" | "by"> {
  return { at: new Date().toISOString(), by: `${userInfo().username} on ${hostname()}` };
}

/** Returns what a reason says of an edit of a stage's own code: its name, and digests then and now; else undefined. */
function editOf(
  { stage: { kind } }: PlannedAction,
  reason: Reason,
): [string, [string | null, string | null]] | undefined {
  if (reason.code === "code") return ["code", [reason.from, reason.to]];
  const isSource = kind.command !== undefined && "name" in reason && /^sources\b/.test(reason.name);
  if (isSource && reason.code === "external") return [reason.name, [reason.from ?? null, reason.to ?? null]];
  // A source that came or went is a param too, which says nothing of its content.
  return isSource && reason.code === "param" ? [reason.name, [null, null]] : undefined;
}

/**
 * Lets results that other code has made serve for stages, since the user says that the edits do not matter. The last
 * one that the stage has shown is taken if only its code was edited since, else the one that fits if there is no other.
 * @param wanted the beginning of the resolved key of the result to take
 */
export function keepResults(
  { pipeline, stages }: Pick<Plan, "pipeline" | "stages">,
  store: Store,
  ids: readonly string[],
  wanted?: string,
): Result<readonly Kept[]> {
  const open = ids.map((id) => stages.get(id)!).filter(({ manifest }) => manifest === undefined);
  const problems: Diagnostic[] = [];
  const kept: Kept[] = [];
  const all = open.length === 0 ? [] : store.results.keys().flatMap((key) => store.results.readManifest(key) ?? []);
  all.sort((a, b) => a.runId < b.runId ? 1 : -1);
  for (const planned of open) {
    const { id, stage, keys, recipeKey } = planned;
    const refused = (message: string, fix: string) =>
      void problems.push(errorOf("check", `Cannot keep a result of "${id}": ${message}`, fix));
    if (keys === undefined || stage.slot !== undefined) {
      refused("what it is depends on results that are not there yet", "run the stages before it first");
      continue;
    }
    const editsOf = (one: ResultManifest) => {
      const reasons = explainChange(stage, keys.ingredients, one, pipeline.origins);
      const edits = reasons.map((reason) => editOf(planned, reason));
      return edits.every((edit) => edit !== undefined) ? Object.fromEntries(edits) : undefined;
    };
    const fitting = all.filter((one) =>
      one.ingredients.kind === keys.ingredients.kind && hasPortsOf(planned, one) && editsOf(one) !== undefined &&
      filesOf(one).every((file) => store.objects.has(file))
    );
    const last = store.lastShown(pipeline.name, id)?.resolvedKey;
    const chosen = wanted === undefined
      ? fitting.find(({ resolvedKey }) => resolvedKey === last) ?? (fitting.length === 1 ? fitting[0] : undefined)
      : fitting.find(({ resolvedKey }) => resolvedKey.startsWith(wanted));
    const others = fitting.filter((one) => one !== chosen).map(({ resolvedKey }) => resolvedKey);
    if (chosen === undefined) {
      const names = others.map((key) => key.slice(0, 12)).join(", ");
      if (others.length > 0) refused("it is not clear which one is meant", `name one with --result: ${names}`);
      else refused("none differs from it by an edit of its code alone", "`why` says what else has changed; run it");
      continue;
    }
    const about = { pipeline: pipeline.name, stage: id, recipeKey, resolvedKey: keys.resolvedKey };
    const keep = { ...about, result: chosen.resolvedKey, edits: editsOf(chosen)!, ...signature(), undone: false };
    kept.push({ keep, others });
  }
  if (problems.length > 0) return refuse(problems);
  for (const { keep } of kept) store.keep(keep);
  return succeed(kept);
}

/** Takes back what was kept for stages. Returns the stages. */
export function undoKeeps(
  { pipeline, stages }: Pick<Plan, "pipeline" | "stages">,
  store: Store,
  ids: readonly string[],
): string[] {
  const served = new Set(ids.map((id) => stages.get(id)!.keep?.recipeKey));
  const undone = [...store.keeps().values()].filter((keep) =>
    served.has(keep.recipeKey) || (keep.pipeline === pipeline.name && ids.includes(keep.stage))
  );
  for (const keep of undone) store.keep({ ...keep, ...signature(), undone: true });
  return undone.map(({ stage }) => stage);
}
