import { join } from "node:path";
import { type Result, succeed } from "../diagnostic/diagnostic.ts";
import { predecessorsOf } from "../keys/stage.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { Plan } from "../plan/plan.ts";
import { Planner } from "../plan/planner.ts";
import { removeQuietly } from "../store/files.ts";
import { isThere, readTextIfThere } from "../store/reading.ts";
import { ignoreTrouble } from "../store/trouble.ts";
import type { Store } from "../store/store.ts";

export const EARLIER_NOTE = "EARLIER.txt";

const HEADING = "These folders show results of a configuration other than that of the last run:";
/** The note is written anew with each stage that ends, so it stays short. */
const NAMED = 200;

/**
 * Stages whose folder in `outputs/` shows a result that this configuration would not give, and folders of stages that
 * the pipeline has no more.
 * @param stages a plan of the whole pipeline
 */
export function findEarlier({ pipeline, stages }: Pick<Plan, "pipeline" | "stages">, store: Store): string[] {
  const views = store.viewsOf(pipeline.name);
  const other = new Set<string>();
  for (const [id, { stage, keys, manifest, reasons }] of stages) {
    if (stage.shard !== undefined) continue;
    const key = keys?.resolvedKey ?? manifest?.resolvedKey;
    // Where the key is not known yet, what it waits for decides, unless something of its own has changed.
    const isOther = key === undefined
      ? reasons.some(({ code }) => code !== "upstream") ||
        predecessorsOf(stage).some((before) => other.has(before))
      : key !== views.shown(id)?.resolvedKey;
    if (isOther) other.add(id);
  }
  return [...[...other].filter((id) => views.isShown(id)), ...views.strangers(pipeline.stages)];
}

/** How all stages of a pipeline stand now, as far as that is known without looking at devices. */
export function survey(pipeline: Pipeline, store: Store): Result<Plan["stages"]> {
  const planner = Planner.make(pipeline, store);
  return planner.ok ? succeed(planner.value.survey()) : planner;
}

/** Says in `outputs/<pipeline>/` which of its folders are not of the configuration that was run last. */
export class EarlierNote {
  readonly #path: string;
  #found: readonly string[] = [];

  constructor(private readonly pipeline: Pipeline, private readonly store: Store) {
    this.#path = join(store.paths.outputs, pipeline.name, EARLIER_NOTE);
  }

  get isThere(): boolean {
    return isThere(this.#path);
  }

  /** Say what there is now: before anything runs, so that it is right however the run ends, and when it has ended. */
  renew(now: Result<Plan["stages"]> = survey(this.pipeline, this.store)): readonly string[] {
    const { pipeline, store } = this;
    this.#say(now.ok ? findEarlier({ pipeline, stages: now.value }, store) : []);
    return this.#found;
  }

  /** A folder shows the new result now. */
  drop(id: string): void {
    if (this.#found.includes(id)) this.#say(this.#found.filter((one) => one !== id));
  }

  #say(found: readonly string[]): void {
    this.#found = found;
    ignoreTrouble(() => {
      // A file of that name that says something else is the user's.
      if (this.isThere && readTextIfThere(this.#path)?.startsWith(HEADING) !== true) return;
      if (found.length === 0) return removeQuietly(this.#path);
      const lines = found.slice(0, NAMED).map((id) =>
        `  ${id}${this.pipeline.stages.has(id) ? "" : "  (no longer a stage)"}`
      );
      if (found.length > NAMED) lines.push(`  … ${found.length} in all`);
      const advice = "Run the whole pipeline to update the folders of its stages; you may remove the others.";
      this.store.viewsOf(this.pipeline.name).write(EARLIER_NOTE, [HEADING, "", ...lines, "", advice, ""].join("\n"));
    });
  }
}
