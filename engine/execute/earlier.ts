import { join } from "node:path";
import { type Pipeline, predecessorsOf } from "../pipeline.ts";
import { isForced, type Plan } from "../plan/plan.ts";
import { Planner } from "../plan/planner.ts";
import {
  ignoreTrouble,
  isThere,
  makeFolder,
  readTextIfThere,
  removeQuietly,
  rename,
  writeUnflushed,
} from "../store/files.ts";
import type { Store } from "../store/store.ts";

export const EARLIER_NOTE = "EARLIER.txt";

const HEADING = "These folders show results of an earlier configuration:";
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
    const key = keys?.resolvedKey ?? manifest?.resolvedKey;
    // Where the key is not known yet, what it waits for decides, unless something of its own has changed.
    const isOther = key === undefined
      ? reasons.some(({ code }) => code !== "upstream" && code !== "forced") ||
        predecessorsOf(stage).some((before) => other.has(before))
      : key !== views.shown(id)?.resolvedKey;
    if (isOther) other.add(id);
  }
  return [...[...other].filter((id) => views.isShown(id)), ...views.strangers(pipeline.stages)];
}

/** Says in `outputs/<pipeline>/` which of its folders are not of the configuration that was run last. */
export class EarlierNote {
  readonly #pipeline: Pipeline;
  readonly #store: Store;
  readonly #targets: readonly string[];
  readonly #folder: string;
  #found: ReadonlySet<string> = new Set();
  /** Whether the run can only make folders fit, and none misfit. */
  #isSure = false;

  constructor(pipeline: Pipeline, store: Store, targets: readonly string[] = []) {
    this.#pipeline = pipeline;
    this.#store = store;
    this.#targets = targets;
    this.#folder = join(store.paths.outputs, pipeline.name);
  }

  get isThere(): boolean {
    return isThere(this.#path);
  }

  /** Say it before anything runs, so that it is right however the run ends. */
  begin({ stages }: Plan): void {
    // A forced stage may give other bytes to stages that are not in this run.
    this.#isSure = ![...stages.values()].some(isForced);
    this.#say(
      this.#targets.length === 0 ? findEarlier({ pipeline: this.#pipeline, stages }, this.#store) : this.#look(),
    );
  }

  /** A folder shows the new result now. */
  settle(id: string): void {
    if (this.#found.has(id)) this.#say([...this.#found].filter((one) => one !== id));
  }

  /** Say what is left, by what there is now. @param plan of the whole pipeline, if it was just made */
  end(plan?: Plan): readonly string[] {
    if (this.#isSure && this.#found.size === 0) return [];
    const left = plan === undefined ? this.#look() : findEarlier(plan, this.#store);
    this.#say(left);
    return left;
  }

  #look(): string[] {
    const planner = Planner.make(this.#pipeline, this.#store);
    return planner.ok ? findEarlier({ pipeline: this.#pipeline, stages: planner.value.survey() }, this.#store) : [];
  }

  get #path(): string {
    return join(this.#folder, EARLIER_NOTE);
  }

  #say(found: readonly string[]): void {
    this.#found = new Set(found);
    ignoreTrouble(() => {
      const before = readTextIfThere(this.#path);
      // A file of that name that says something else is the user's.
      if (before !== undefined && !before.startsWith(HEADING)) return;
      if (found.length === 0) return removeQuietly(this.#path);
      const text = this.#text(found);
      if (before === text) return;
      makeFolder(this.#folder);
      const temporary = join(this.#folder, `.new-${EARLIER_NOTE}-${Deno.pid}`);
      writeUnflushed(temporary, text);
      rename(temporary, this.#path);
    });
  }

  #text(found: readonly string[]): string {
    const { file, profiles, overrides, stages } = this.#pipeline;
    const gone = found.filter((id) => !stages.has(id));
    const lines = found.slice(0, NAMED).map((id) =>
      `  ${id}${gone.includes(id) ? "  (the pipeline has no such stage)" : ""}`
    );
    if (found.length > NAMED) lines.push(`  … ${found.length} in all`);
    const run = [
      file,
      ...this.#targets,
      ...profiles.map((name) => `--profile ${name}`),
      ...overrides.map((one) => `--set ${one}`),
    ];
    const last = gone.length === found.length
      ? "Nothing reads them any more: they may be removed."
      : "Running the whole pipeline brings the folders of its stages up to date.";
    return [HEADING, "", ...lines, "", `The last run was: ${run.join(" ")}`, last, ""].join("\n");
  }
}
