import { definedOnly } from "../../std/defined_only.ts";
import { dirname, join, resolve } from "node:path";
import { type Diagnostic, errorOf, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { predecessorsOf } from "../keys/stage.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { type Plan, resultActions } from "../plan/plan.ts";
import { Planner, type PlanOptions } from "../plan/planner.ts";
import { entriesOf, isThere, readTextIfThere } from "../store/reading.ts";
import type { Store } from "../store/store.ts";
import { unlessReadable } from "../store/io_errors.ts";
import { ViewStore } from "../store/views.ts";

/**
 * Returns the stages whose folder in `outputs/` shows a result that this configuration would not give, and the folders
 * of stages that the pipeline no longer has.
 * @param stages a plan of the whole pipeline
 */
export function findStaleOutputs({ pipeline, stages }: Pick<Plan, "pipeline" | "stages">, store: Store): string[] {
  const views = store.viewsOf(pipeline.name);
  const other = new Set<string>();
  for (const [id, { stage, keys, manifest, reasons }] of stages) {
    const key = manifest?.resolvedKey ?? keys?.resolvedKey;
    // If the key is not known yet, the stages that it waits for decide, unless something of the stage's own has
    // changed.
    const isOther = key === undefined
      ? reasons.some(({ code }) => code !== "upstream") ||
        predecessorsOf(stage).some((before) => other.has(before))
      : key !== views.shown(id)?.resolvedKey;
    if (isOther) other.add(id);
  }
  return [...[...other].filter((id) => views.isShown(id)), ...views.staleViews(pipeline.stages)];
}

/** Returns the current state of all stages of a pipeline, as far as it is known without looking at devices. */
export function planWithoutDevices(
  pipeline: Pipeline,
  store: Store,
  given?: PlanOptions["given"],
): Result<Plan["stages"]> {
  const planner = Planner.make(pipeline, store, definedOnly({ given }));
  return planner.ok ? succeed(resultActions(planner.value.planOffline())) : planner;
}

/**
 * Returns warnings about files in `outputs/` that another pipeline file of the same name has shown there and a run
 * would replace, or that another store has shown there and a run would move aside. These are not errors, since one file
 * may be made from the other.
 */
export function findSharedOutputs(plan: Plan, store: Store): Diagnostic[] {
  const { pipeline: { name, file }, stages } = plan;
  const { paths: { outputs }, runs } = store;
  const [home, views] = [join(outputs, name), store.viewsOf(name)];
  const last = findStaleOutputs(plan, store).length > 0 &&
    runs.newestFirst().find((run) => run.pipeline === name)?.file;
  // A file that was moved or renamed cannot be read where it was, and a link or a copy has the same text.
  const [theirs = "", ours] = [last || file, file].map(readTextIfThere);
  const isNamesake = theirs !== ours && new RegExp(`\\bname["']?:\\s*["'\`]?${name}(?![\\w-])`).test(theirs);
  const beside = unlessReadable(() => entriesOf(dirname(outputs)), []).map((one) => join(outputs, "..", one.name));
  // This store itself is never a sharer: both of its views are the same and never differ.
  const sharers = beside.filter((root) => {
    const record = join(root, "views", `${name}.jsonl`);
    if (!isThere(record)) return false;
    const shown = new ViewStore(home, record, store);
    return stages.entries().some(([id, { keys, manifest }]) => {
      const [mine, other] = [views, shown].map((one) =>
        one.check(id, manifest?.resolvedKey ?? keys?.resolvedKey ?? "").state
      );
      return shown.isShown(id) && other === "other" && (mine === "absent" || mine === "modified");
    });
  });
  const fix = "give one a name of its own, or with --store a store in another folder";
  const warn = (both: string, what: string): Diagnostic => ({
    ...errorOf("check", `${both} both show "${name}" in ${home}: a run ${what}`, fix),
    severity: "warning",
  });
  return [
    ...isNamesake ? [warn(`${resolve(file)} and ${last}`, "replaces the other's files")] : [],
    ...sharers.map((root) => warn(`the stores ${store.root} and ${root}`, "moves the other's files to *.mine")),
  ];
}
