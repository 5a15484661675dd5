import type { Selection } from "../../schemas/selection.ts";
import type { Externals } from "../fingerprint/externals.ts";
import { choiceRecipeKey, keyParams, type LocalIngredients, recipeKeyOf, type StageKeys } from "../fingerprint/keys.ts";
import type { Pipeline, Stage } from "../pipeline.ts";

/** What is known of a stage's keys before anything runs. */
export interface KnownKeys extends StageKeys {
  readonly local: LocalIngredients;
}

/** A stage that is known to be what it is. */
export interface Chosen extends KnownKeys {
  readonly stage: Stage;
  /** The stage that it goes on with, where a selection said so. */
  readonly continues: { readonly continues?: string };
}

/** The keys of all stages of a pipeline. */
export class KeyBook {
  readonly #externals: ReadonlyMap<string, Externals>;
  readonly #keys = new Map<string, KnownKeys>();
  /** Of stages that go on with one of several, the keys of each that it may be. */
  readonly #choices = new Map<string, readonly KnownKeys[]>();

  /** @param externals of every stage, by id */
  constructor(pipeline: Pipeline, externals: ReadonlyMap<string, Externals>) {
    this.#externals = externals;
    for (const stage of pipeline.stages.values()) this.#add(stage);
  }

  of(id: string): KnownKeys {
    return this.#keys.get(id)!;
  }

  /** What a stage is: itself, or what a ranking makes of it. Undefined while it takes a ranking that is not there. */
  choose(stage: Stage, ranking: Selection["ranking"] | undefined): Chosen | undefined {
    const { choice } = stage;
    if (choice === undefined) return { stage, ...this.of(stage.id), continues: {} };
    const candidate = ranking?.[choice.place]?.candidate;
    const found = candidate === undefined ? undefined : choice.candidates[candidate];
    if (found === undefined) return undefined;
    return { stage: found.stage, ...this.#choices.get(stage.id)![candidate!]!, continues: { continues: found.id } };
  }

  #add(stage: Stage): void {
    if (stage.choice === undefined) {
      this.#keys.set(stage.id, this.#keysOf(stage, stage.id));
      return;
    }
    const { ranking, place, candidates } = stage.choice;
    const choices = candidates.map((one) => this.#keysOf(one.stage, one.id));
    const recipeKey = choiceRecipeKey({
      ranking: { recipeKey: this.of(ranking.stage).recipeKey, port: ranking.port },
      place,
      candidates: choices.map((one) => one.recipeKey),
    });
    this.#choices.set(stage.id, choices);
    this.#keys.set(stage.id, { ...choices[0]!, recipeKey });
  }

  /** @param id of the stage that says what is read from outside */
  #keysOf(stage: Stage, id: string): KnownKeys {
    const { kind } = stage;
    const local: LocalIngredients = {
      kind: kind.custom ? "custom" : kind.name,
      version: kind.version,
      seed: kind.seeded ? stage.seed : null,
      params: keyParams(kind, stage.params),
      externals: this.#externals.get(id) ?? {},
    };
    const upstream: Record<string, { recipeKey: string; port: string }[]> = {};
    for (const [port, bindings] of Object.entries(stage.inputs)) {
      upstream[port] = bindings.map((one) => ({ recipeKey: this.of(one.stage).recipeKey, port: one.port }));
    }
    return { local, ...recipeKeyOf(local, upstream) };
  }
}
