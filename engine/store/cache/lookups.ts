import { recipePointerSchema, type ResultManifest, resultManifestSchema } from "../../../schemas/records.ts";
import type { CacheClient } from "./client.ts";
import { recipeName, resultName, unseal } from "./layout.ts";

/** What is asked about one stage. */
export interface Lookup {
  readonly stage: string;
  readonly recipeKey: string;
  /** Known once all inputs are; then the recipe has nothing to add. */
  readonly resolvedKey: string | undefined;
  /** Whether a record follows from its key, and has the outputs of the stage: the store knows neither. */
  readonly judge: (manifest: ResultManifest, resolvedKey: string) => "damaged" | "misfit" | undefined;
}

/** An answer of "not there" holds this long: another machine may finish the stage while this one waits or works. */
const STALE_MS = 30_000;

const PROBLEMS = {
  damaged: "is damaged",
  foreign: "is not a record of this version of noiseline",
  misfit: "does not have the outputs that the stage has",
};

/** Manifests in a shared cache that were asked for. Only they are read here; objects are another matter. */
export class Lookups {
  readonly #found = new Map<string, ResultManifest>();
  /** Resolved keys by recipe. */
  readonly #recipes = new Map<string, string>();
  /** When a key was asked for last. */
  readonly #asked = new Map<string, number>();

  constructor(
    private readonly client: CacheClient,
    private readonly onDamage: (stage: string, message: string) => void,
  ) {}

  /** A result that was found before. */
  known(resolvedKey: string): ResultManifest | undefined {
    return this.#found.get(resolvedKey);
  }

  /** The result that a recipe was found to lead to. */
  knownByRecipe(recipeKey: string): ResultManifest | undefined {
    return this.#found.get(this.#recipes.get(recipeKey) ?? "");
  }

  /** A result turned out to be damaged: it is not served or asked for again in this run. */
  forget(resolvedKey: string): void {
    this.#found.delete(resolvedKey);
    this.#asked.set(resolvedKey, Infinity);
  }

  /** Ask for many stages at once. @returns whether any result was found that was not known */
  async find(lookups: readonly Lookup[]): Promise<boolean> {
    const before = this.#found.size;
    await Promise.all(lookups.map(async (lookup) => {
      const { stage, recipeKey, resolvedKey } = lookup;
      const key = resolvedKey ?? await this.#follow(stage, recipeKey);
      if (key !== undefined && !this.#found.has(key) && this.#isDue(key)) await this.#ask(lookup, key);
    }));
    return this.#found.size > before;
  }

  /** The resolved key that a recipe led to on whatever machine came first. */
  async #follow(stage: string, recipeKey: string): Promise<string | undefined> {
    if (!this.#isDue(recipeKey)) return this.#recipes.get(recipeKey);
    const content = await this.client.read(recipeName(recipeKey));
    if (content === undefined) return undefined;
    const unsealed = unseal(content, recipePointerSchema);
    if ("problem" in unsealed) this.#report(stage, recipeKey, recipeName(recipeKey), unsealed.problem);
    else if (unsealed.record.recipeKey === recipeKey) this.#recipes.set(recipeKey, unsealed.record.resolvedKey);
    return this.#recipes.get(recipeKey);
  }

  async #ask({ stage, judge }: Lookup, resolvedKey: string): Promise<void> {
    const content = await this.client.read(resultName(resolvedKey));
    if (content === undefined) return;
    const unsealed = unseal(content, resultManifestSchema);
    if ("problem" in unsealed) this.#report(stage, resolvedKey, resultName(resolvedKey), unsealed.problem);
    else {
      const problem = judge(unsealed.record, resolvedKey);
      if (problem === undefined) this.#found.set(resolvedKey, unsealed.record);
      else this.#report(stage, resolvedKey, resultName(resolvedKey), problem);
    }
  }

  #isDue(key: string): boolean {
    const now = performance.now();
    if (now - (this.#asked.get(key) ?? -Infinity) < STALE_MS) return false;
    this.#asked.set(key, now);
    return true;
  }

  #report(stage: string, key: string, name: string, problem: keyof typeof PROBLEMS): void {
    this.#asked.set(key, Infinity);
    this.onDamage(stage, `${name} in the shared cache ${PROBLEMS[problem]}; it counts as absent`);
  }
}
